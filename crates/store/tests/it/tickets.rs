//! Tickets and notices: one open one for each rule, versions that do not overtake each other, lists in their order.

use yihe_store::{NoticeRow, StoreError, TicketFilter, TicketRow};

use crate::support::{Fixture, act, at, on_both};

on_both!(
    a_ticket_is_read_as_it_was_written_and_found_by_its_rule,
    a_rule_has_one_open_ticket_and_any_number_of_closed_ones,
    a_ticket_that_somebody_moved_meanwhile_is_not_overwritten,
    a_check_counts_rows_without_moving_a_ticket,
    tickets_are_listed_and_counted_by_what_is_asked,
    the_last_excuse_of_each_rule_is_known,
    a_department_is_told_once_until_it_acknowledges,
    a_ticket_and_its_notice_are_written_together_or_not_at_all,
);

fn fault(id: &str, dataset: &str, rule: &str, second: i64) -> TicketRow {
    TicketRow {
        id: id.to_owned(),
        kind: "fault".to_owned(),
        dataset: dataset.to_owned(),
        rule: rule.to_owned(),
        severity: "warn".to_owned(),
        department: "jiaoyu".to_owned(),
        entry: String::new(),
        record_key: String::new(),
        field: String::new(),
        value_digest: String::new(),
        raised_by: String::new(),
        receipt: String::new(),
        statement: String::new(),
        state: "open".to_owned(),
        reason: None,
        explanation: None,
        times: 1,
        opened_at: at(second),
        changed_at: at(second),
        closed_at: None,
        rows_open: 3,
        rows_seen: 5,
        seen_at: at(second),
        version: 1,
    }
}

fn objection(id: &str, entry: &str, second: i64) -> TicketRow {
    TicketRow {
        kind: "objection".to_owned(),
        rule: String::new(),
        entry: entry.to_owned(),
        record_key: "[\"S001\"]".to_owned(),
        field: "school".to_owned(),
        value_digest: "00ff".to_owned(),
        raised_by: "minzheng".to_owned(),
        receipt: "u1".to_owned(),
        statement: "与转学证明不符".to_owned(),
        ..fault(id, "pupils", "", second)
    }
}

fn closed(ticket: &TicketRow, reason: &str, second: i64) -> TicketRow {
    TicketRow {
        state: "closed".to_owned(),
        reason: Some(reason.to_owned()),
        explanation: Some("短号".to_owned()),
        changed_at: at(second),
        closed_at: Some(at(second)),
        ..ticket.clone()
    }
}

fn notice(id: &str, ticket: &str, department: &str, second: i64) -> NoticeRow {
    NoticeRow {
        id: id.to_owned(),
        ticket: ticket.to_owned(),
        department: department.to_owned(),
        outcome: "corrected".to_owned(),
        supplies: 2,
        receipts: "[\"u1\",\"u2\"]".to_owned(),
        told_at: at(second),
        acknowledged_at: None,
        acknowledged_by: None,
        remark: None,
        version: 1,
    }
}

async fn insert(fixture: &Fixture, ticket: &TicketRow, second: i64) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.ticket_insert(ticket, &act("ticket.opened", second)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn update(fixture: &Fixture, ticket: &TicketRow, second: i64) -> Result<(), StoreError> {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.ticket_update(ticket, &act("ticket.closed", second)).await?;
    tx.commit().await
}

async fn tell(fixture: &Fixture, notice: &NoticeRow, second: i64) -> Result<(), StoreError> {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.notice_insert(notice, &act("notice.sent", second)).await?;
    tx.commit().await
}

async fn a_ticket_is_read_as_it_was_written_and_found_by_its_rule(fixture: Fixture) {
    let (first, second) = (fault("t1", "pupils", "mobile_form", 1), objection("t2", "1/1/001/01/3", 2));
    insert(&fixture, &first, 1).await;
    insert(&fixture, &second, 2).await;
    assert_eq!(fixture.store.ticket_find("t1").await.unwrap().unwrap(), first);
    assert_eq!(fixture.store.ticket_find("t2").await.unwrap().unwrap(), second);
    assert!(fixture.store.ticket_find("t3").await.unwrap().is_none());
    let mut tx = fixture.store.begin().await.unwrap();
    assert_eq!(tx.ticket_find_last("pupils", "mobile_form").await.unwrap().unwrap(), first);
    assert!(tx.ticket_find_last("pupils", "").await.unwrap().is_none(), "an objection is of no rule");
    assert!(tx.ticket_find_last("teachers", "mobile_form").await.unwrap().is_none());
}

async fn a_rule_has_one_open_ticket_and_any_number_of_closed_ones(fixture: Fixture) {
    let first = fault("t1", "pupils", "mobile_form", 1);
    insert(&fixture, &first, 1).await;
    let mut tx = fixture.store.begin().await.unwrap();
    let second = fault("t2", "pupils", "mobile_form", 2);
    let refused = tx.ticket_insert(&second, &act("ticket.opened", 2)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Duplicate { .. }), "{refused}");
    drop(tx);
    update(&fixture, &closed(&first, "rechecked", 3), 3).await.unwrap();
    insert(&fixture, &second, 4).await;
    let mut tx = fixture.store.begin().await.unwrap();
    assert_eq!(tx.ticket_find_last("pupils", "mobile_form").await.unwrap().unwrap().id, "t2");
    drop(tx);
    // The closed one cannot be opened beside it.
    let again = TicketRow { state: "open".to_owned(), version: 2, ..first };
    let refused = update(&fixture, &again, 5).await.unwrap_err();
    assert!(matches!(refused, StoreError::Duplicate { .. }), "{refused}");
}

async fn a_ticket_that_somebody_moved_meanwhile_is_not_overwritten(fixture: Fixture) {
    let ticket = fault("t1", "pupils", "mobile_form", 1);
    insert(&fixture, &ticket, 1).await;
    update(&fixture, &closed(&ticket, "false_alarm", 2), 2).await.unwrap();
    let refused = update(&fixture, &closed(&ticket, "corrected", 3), 3).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { expected: 1, .. }), "{refused}");
    let found = fixture.store.ticket_find("t1").await.unwrap().unwrap();
    assert_eq!((found.reason.as_deref(), found.version), (Some("false_alarm"), 2));
}

async fn a_check_counts_rows_without_moving_a_ticket(fixture: Fixture) {
    insert(&fixture, &fault("t1", "pupils", "mobile_form", 1), 1).await;
    let mut tx = fixture.store.begin().await.unwrap();
    tx.ticket_count_rows("t1", 7, 11, at(9)).await.unwrap();
    tx.commit().await.unwrap();
    let found = fixture.store.ticket_find("t1").await.unwrap().unwrap();
    assert_eq!((found.rows_open, found.rows_seen, found.seen_at, found.version), (7, 11, at(9), 1));
    let tally = fixture.store.ticket_tally().await.unwrap();
    assert_eq!((tally.len(), tally[0].open, tally[0].closed, tally[0].rows_open), (1, 1, 0, 7));
}

async fn tickets_are_listed_and_counted_by_what_is_asked(fixture: Fixture) {
    insert(&fixture, &fault("t1", "pupils", "mobile_form", 1), 1).await;
    let other = TicketRow { department: "weijian".to_owned(), ..fault("t2", "beds", "count", 2) };
    insert(&fixture, &other, 2).await;
    insert(&fixture, &objection("t3", "1/1/001/01/3", 3), 3).await;
    insert(&fixture, &objection("t4", "1/1/001/01/4", 4), 4).await;
    update(&fixture, &closed(&other, "rechecked", 5), 5).await.unwrap();
    let list = async |filter: TicketFilter| {
        let found = fixture.store.ticket_list(&filter, 0, 10).await.unwrap();
        assert_eq!(fixture.store.ticket_count(&filter).await.unwrap(), i64::try_from(found.len()).unwrap());
        let mut ids: Vec<String> = found.into_iter().map(|ticket| ticket.id).collect();
        ids.sort();
        ids
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(list(TicketFilter::default()).await, ["t1", "t2", "t3", "t4"]);
    assert_eq!(list(TicketFilter { department: some("weijian"), ..TicketFilter::default() }).await, ["t2"]);
    assert_eq!(list(TicketFilter { party: some("minzheng"), ..TicketFilter::default() }).await, ["t3", "t4"]);
    assert_eq!(list(TicketFilter { party: some("jiaoyu"), ..TicketFilter::default() }).await, ["t1", "t3", "t4"]);
    let open =
        TicketFilter { dataset: some("pupils"), state: some("open"), kind: some("fault"), ..TicketFilter::default() };
    assert_eq!(list(open).await, ["t1"]);
    assert_eq!(list(TicketFilter { state: some("closed"), ..TicketFilter::default() }).await, ["t2"]);
    let objections = fixture.store.ticket_list_objections("1/1/001/01/3", 10).await.unwrap();
    assert_eq!(objections.iter().map(|ticket| ticket.id.as_str()).collect::<Vec<_>>(), ["t3"]);
    let tally = fixture.store.ticket_tally().await.unwrap();
    let tally: Vec<_> = tally.iter().map(|tally| (tally.department.as_str(), tally.open, tally.closed)).collect();
    assert_eq!(tally, [("jiaoyu", 3, 0), ("weijian", 0, 1)]);
}

async fn the_last_excuse_of_each_rule_is_known(fixture: Fixture) {
    for (id, rule, reason, second) in [
        ("t1", "a", "false_alarm", 10),
        ("t2", "a", "unresolvable", 20),
        ("t3", "b", "corrected", 30),
        ("t4", "c", "false_alarm", 40),
    ] {
        let ticket = fault(id, "pupils", rule, second);
        insert(&fixture, &ticket, second).await;
        update(&fixture, &closed(&ticket, reason, second + 1), second + 1).await.unwrap();
    }
    insert(&fixture, &fault("t5", "beds", "a", 50), 50).await;
    let excused = fixture.store.ticket_list_excused("pupils", ["false_alarm", "unresolvable"]).await.unwrap();
    assert_eq!(excused, [("a".to_owned(), at(21)), ("c".to_owned(), at(41))]);
}

async fn a_department_is_told_once_until_it_acknowledges(fixture: Fixture) {
    insert(&fixture, &fault("t1", "pupils", "mobile_form", 1), 1).await;
    let first = notice("n1", "t1", "minzheng", 2);
    tell(&fixture, &first, 2).await.unwrap();
    assert_eq!(fixture.store.notice_find("n1").await.unwrap().unwrap(), first);
    let refused = tell(&fixture, &notice("n2", "t1", "minzheng", 3), 3).await.unwrap_err();
    assert!(matches!(refused, StoreError::Duplicate { .. }), "{refused}");
    tell(&fixture, &notice("n3", "t1", "weijian", 4), 4).await.unwrap();
    assert!(tell(&fixture, &notice("n4", "t9", "weijian", 4), 4).await.is_err(), "of a ticket that is none");

    let known = NoticeRow {
        acknowledged_at: Some(at(5)),
        acknowledged_by: Some("account-1".to_owned()),
        remark: Some("已重办".to_owned()),
        ..first.clone()
    };
    let mut tx = fixture.store.begin().await.unwrap();
    assert_eq!(tx.notice_find_open("t1", "minzheng").await.unwrap().unwrap().id, "n1");
    tx.notice_update(&known, &act("notice.acknowledged", 5)).await.unwrap();
    assert!(tx.notice_find_open("t1", "minzheng").await.unwrap().is_none());
    tx.commit().await.unwrap();
    let mut tx = fixture.store.begin().await.unwrap();
    let refused = tx.notice_update(&known, &act("notice.acknowledged", 6)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { expected: 1, .. }), "{refused}");
    drop(tx);
    tell(&fixture, &notice("n2", "t1", "minzheng", 7), 7).await.unwrap();

    let ids = async |ticket: Option<&str>, department: Option<&str>, offset: i64| {
        let found = fixture.store.notice_list(ticket, department, offset, 10).await.unwrap();
        found.into_iter().map(|notice| notice.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Some("t1"), None, 0).await, ["n2", "n3", "n1"], "what waits comes first, newest in front");
    assert_eq!(ids(None, Some("minzheng"), 0).await, ["n2", "n1"]);
    assert_eq!(ids(None, None, 2).await, ["n1"]);
    assert_eq!(ids(Some("t2"), None, 0).await, Vec::<String>::new());
}

async fn a_ticket_and_its_notice_are_written_together_or_not_at_all(fixture: Fixture) {
    let mut tx = fixture.store.begin().await.unwrap();
    tx.ticket_insert(&fault("t1", "pupils", "mobile_form", 1), &act("ticket.opened", 1)).await.unwrap();
    tx.notice_insert(&notice("n1", "t1", "minzheng", 1), &act("notice.sent", 1)).await.unwrap();
    assert!(tx.ticket_find("t1").await.unwrap().is_some() && tx.notice_find("n1").await.unwrap().is_some());
    drop(tx);
    assert!(fixture.store.ticket_find("t1").await.unwrap().is_none());
    assert!(fixture.store.notice_find("n1").await.unwrap().is_none());
}
