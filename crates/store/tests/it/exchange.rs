use jiff::civil::date;
use yihe_store::{GrantRow, RequestFilter, RequestRow, StoreError, UsageRow};

use crate::support::{Fixture, act, at, entry, on_both};

on_both!(
    the_quota_counts_each_day_for_itself,
    calls_at_the_same_time_cannot_slip_past_the_quota,
    parties_see_their_requests,
    ended_grants_are_found,
    use_records_are_summed,
);

fn request() -> RequestRow {
    RequestRow {
        id: "r1".to_owned(),
        entry: "10100101/000001".to_owned(),
        requester: "minzheng".to_owned(),
        provider: "gongan".to_owned(),
        state: "draft".to_owned(),
        body: "{}".to_owned(),
        created_by: "a".to_owned(),
        created_at: at(0),
        changed_at: at(0),
        version: 1,
    }
}

fn grant() -> GrantRow {
    GrantRow {
        id: "g1".to_owned(),
        request: "r1".to_owned(),
        entry: "10100101/000001".to_owned(),
        grantee: "minzheng".to_owned(),
        provider: "gongan".to_owned(),
        state: "active".to_owned(),
        reason: None,
        valid_from: date(2025, 9, 1),
        valid_until: date(2025, 12, 31),
        calls_per_day: 2,
        body: "{}".to_owned(),
        created_at: at(0),
        changed_at: at(0),
        version: 1,
    }
}

pub async fn prepare(fixture: &Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.entry_insert(&entry("10100101/000001", "一"), &act("entry.compiled", 0)).await.unwrap();
    tx.request_insert(&request(), &act("request.drafted", 0)).await.unwrap();
    tx.grant_insert(&grant(), &act("grant.made", 0)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn the_quota_counts_each_day_for_itself(fixture: Fixture) {
    prepare(&fixture).await;
    let mut tx = fixture.store.begin().await.unwrap();
    for (day, expected) in [(10, true), (10, true), (10, false), (11, true)] {
        assert_eq!(tx.grant_count_call("g1", date(2025, 10, day), 2).await.unwrap(), expected);
    }
    assert!(!tx.grant_count_call("g1", date(2025, 10, 12), 0).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(fixture.store.grant_calls("g1", date(2025, 10, 10)).await.unwrap(), 2);
}

async fn calls_at_the_same_time_cannot_slip_past_the_quota(fixture: Fixture) {
    prepare(&fixture).await;
    let call = || async {
        let mut tx = fixture.store.begin().await.unwrap();
        let counted = tx.grant_count_call("g1", date(2025, 10, 10), 2).await.unwrap();
        tx.commit().await.unwrap();
        counted
    };
    let (a, b, c, d) = tokio::join!(call(), call(), call(), call());
    assert_eq!([a, b, c, d].into_iter().filter(|counted| *counted).count(), 2);
}

async fn parties_see_their_requests(fixture: Fixture) {
    prepare(&fixture).await;
    for (party, expected) in [("minzheng", 1), ("gongan", 1), ("renshe", 0)] {
        let filter = RequestFilter { party: Some(party.to_owned()), ..RequestFilter::default() };
        assert_eq!(fixture.store.request_list(&filter, 0, 10).await.unwrap().len(), expected, "{party}");
    }
    let mut tx = fixture.store.begin().await.unwrap();
    let second = GrantRow { id: "g2".to_owned(), ..grant() };
    let refused = tx.grant_insert(&second, &act("grant.made", 1)).await;
    assert!(matches!(refused, Err(StoreError::Duplicate { .. })), "a request has one grant");
}

async fn ended_grants_are_found(fixture: Fixture) {
    prepare(&fixture).await;
    let mut tx = fixture.store.begin().await.unwrap();
    assert!(tx.grant_list_ended(date(2025, 12, 31), 10).await.unwrap().is_empty());
    assert_eq!(tx.grant_list_ended(date(2026, 1, 1), 10).await.unwrap().len(), 1);
}

async fn use_records_are_summed(fixture: Fixture) {
    prepare(&fixture).await;
    let usage = UsageRow {
        id: "u1".to_owned(),
        grant_id: "g1".to_owned(),
        entry: "10100101/000001".to_owned(),
        grantee: "minzheng".to_owned(),
        token: "t1".to_owned(),
        door: "rest".to_owned(),
        purpose: "低保审核".to_owned(),
        case_number: "A-1".to_owned(),
        looked_up: "[\"371302198503154218\"]".to_owned(),
        columns: "[]".to_owned(),
        row_count: 1,
        table_version: 3,
        at: at(5),
    };
    let mut tx = fixture.store.begin().await.unwrap();
    tx.usage_insert(&usage).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fixture.store.usage_find("u1").await.unwrap(), Some(usage));
    let totals = fixture.store.usage_totals(at(0)).await.unwrap();
    assert_eq!((totals.calls, totals.rows), (1, 1));
    assert_eq!(fixture.store.usage_totals(at(6)).await.unwrap().calls, 0);
    assert_eq!(fixture.store.usage_list(Some("g1"), 0, 10).await.unwrap().len(), 1);
}
