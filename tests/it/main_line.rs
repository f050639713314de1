//! The rooms wired as the binary wires them, for tests that look into tables.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use yihe_collect::{Collector, Received, deliveries};
use yihe_definitions::Pack;
use yihe_docket::Docket;
use yihe_lake::{Lake, LakeOptions};
use yihe_quality::{
    tickets::Tickets,
    walk::{CheckReport, Walk},
};
use yihe_registries::{BuildReport, Builder, EntitySecret, HashKeys};
use yihe_store::{Actor, SeededIdentity, Store};
use yihe_vocabulary::{Clock, FixedClock, WorkingCalendar, WorkingYear};

/// The day on which the demonstration city is looked at.
pub const NOW: &str = "2026-11-02T09:00:00+08:00";

/// The packs of the demonstration city.
pub fn pack() -> Pack {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join("packs");
    Pack::read(&[root.join("base"), root.join("demo")]).expect("the packs are sound")
}

/// A data folder and the rooms over it.
pub struct City {
    pub lake: Lake,
    pub store: Store,
    clock: Arc<dyn Clock>,
    pack: Pack,
    data: std::path::PathBuf,
}

impl City {
    pub async fn open(data: &Path, pack: Pack) -> Self {
        let lake = Lake::open(&data.join("lake"), LakeOptions::new(data.join("spill"))).expect("the lake opens");
        let store = Store::open_file(&data.join("store").join("yihe.sqlite"), SeededIdentity::new(1))
            .await
            .expect("the store opens");
        let clock = Arc::new(FixedClock::new(NOW.parse().expect("an instant")));
        Self { lake, store, clock, pack, data: data.to_path_buf() }
    }

    pub async fn collect(&self) -> Vec<Received> {
        let collector = Collector {
            lake: self.lake.clone(),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            actor: Actor::system(),
            spool: self.data.join("spool"),
            faults: Arc::new(|_| {}),
        };
        let mut received = Vec::new();
        for delivery in deliveries(&self.pack, &self.data.join("inbox"), &BTreeMap::new()).expect("an inbox") {
            received.push(collector.receive(&delivery).await.expect("nothing of ours fails"));
        }
        received
    }

    /// The tickets, counted by the packs' calendar.
    fn tickets(&self) -> Tickets {
        let days = |days: &[String]| days.iter().map(|day| day.parse().expect("a day")).collect();
        let years = self.pack.calendars.iter().map(|year| WorkingYear {
            year: year.year,
            holidays: days(&year.holidays),
            makeup_days: days(&year.makeup_days),
        });
        let docket = Docket::new(Arc::new(WorkingCalendar::new(years).expect("the announcements agree")));
        Tickets::new(self.store.clone(), self.lake.clone(), docket, "dashuju", &BTreeMap::new()).expect("legal terms")
    }

    pub async fn check(&self) -> Vec<CheckReport> {
        let walk = Walk {
            lake: self.lake.clone(),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            tickets: self.tickets(),
            actor: Actor::system(),
            holder: "test".to_owned(),
            faults: Arc::new(|_| {}),
        };
        let mut reports = Vec::new();
        for dataset in &self.pack.datasets {
            reports.push(walk.check(&self.pack, dataset).await.expect("the rules fit"));
        }
        reports
    }

    pub fn builder(&self) -> Builder {
        Builder {
            hash_keys: HashKeys::in_folder("keys".into()),
            lake: self.lake.clone(),
            store: self.store.clone(),
            secret: EntitySecret::new(&[7; 32]),
            clock: Arc::clone(&self.clock),
            actor: Actor::system(),
            holder: "test".to_owned(),
            faults: Arc::new(|_| {}),
        }
    }

    pub async fn build(&self) -> Vec<BuildReport> {
        let builder = self.builder();
        let mut reports = Vec::new();
        for registry in &self.pack.registries {
            reports.push(builder.build(registry).await.expect("the registry builds"));
        }
        reports
    }
}
