use std::path::Path;

use yihe_catalogue::Search;
use yihe_definitions::Pack;
use yihe_store::Role;

use crate::support::{Fixture, actor, morning};

/// The pack's own entries, every one through every step.
#[tokio::test]
async fn the_whole_pack_is_published_and_doing_it_again_changes_nothing() {
    let fixture = Fixture::sqlite().await;
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
    let pack = Pack::read(&[packs.join("base"), packs.join("demo")]).unwrap();
    let cast = |department: &str, role: Role| actor(department, role);
    let report = fixture.catalogue.publish_all(&pack, &cast, morning(9, 26)).await.unwrap();
    assert!(report.published.len() >= 40, "{}", report.published.len());
    let pending = fixture.store.outbox_count_pending().await.unwrap();
    let again = fixture.catalogue.publish_all(&pack, &cast, morning(9, 28)).await.unwrap();
    assert_eq!((again.published.len(), again.unchanged), (0, report.published.len()));
    assert_eq!(fixture.store.outbox_count_pending().await.unwrap(), pending);
    let found =
        fixture.catalogue.search(&Search { words: "rkjck".to_owned(), ..Search::default() }, 0, 10).await.unwrap();
    assert_eq!(found.entries[0].title.zh, "人口基础库");
    let total: i64 =
        fixture.catalogue.sharing_tally().await.unwrap().values().map(yihe_catalogue::SharingTally::total).sum();
    assert_eq!(usize::try_from(total).unwrap(), report.published.len());
}
