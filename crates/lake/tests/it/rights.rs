//! No answer holds a cell that its grant does not cover, by any door.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use yihe_lake::{
    Answer, Condition, GrantedColumn, LakeError, Layout, Limits, Mask, Order, Param, Rights, Salt, Selection,
    TableName, Test, Zone,
};

use crate::support::{TestLake, collect, rows, table, upsert};

fn citizen_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Utf8, false),
        Field::new("name", DataType::Utf8, true),
        Field::new("phone", DataType::Utf8, true),
        Field::new("county", DataType::Utf8, true),
        Field::new("income", DataType::Int64, true),
    ]))
}

/// Six people in two counties. `secret` stands for what no test may ever see.
fn citizens() -> RecordBatch {
    let column = |values: [Option<&str>; 6]| Arc::new(StringArray::from(values.to_vec())) as ArrayRef;
    RecordBatch::try_new(
        citizen_schema(),
        vec![
            column([Some("01"), Some("02"), Some("03"), Some("04"), Some("05"), Some("06")]),
            column([Some("王小明"), Some("王大力"), Some("李四"), Some("secret"), None, Some("赵六")]),
            column([
                Some("13800001234"),
                Some("13899991234"),
                Some("13700005678"),
                Some("secret00000"),
                Some("13600000000"),
                Some("abc"),
            ]),
            column([Some("兰山"), Some("兰山"), Some("兰山"), Some("沂水"), Some("沂水"), Some("兰山")]),
            Arc::new(Int64Array::from(vec![Some(100), Some(200), Some(300), Some(0), Some(500), None])),
        ],
    )
    .expect("columns fit")
}

async fn city() -> (TestLake, TableName) {
    let test = TestLake::open();
    let table = table(Zone::Registry, "citizen");
    test.lake.create(&table, citizen_schema(), Layout::keyed(["id"], 3)).await.expect("creates");
    upsert(&test.lake, &table, "u", citizens()).await;
    (test, table)
}

/// The people of Lanshan: id and county open, name and phone masked, income not covered.
fn lanshan(table: &TableName) -> Rights {
    Rights {
        view: "citizen".into(),
        table: table.clone(),
        version: None,
        columns: vec![
            GrantedColumn::open("id"),
            GrantedColumn::masked("name", Mask::Name),
            GrantedColumn::masked("phone", Mask::Phone),
            GrantedColumn::open("county"),
        ],
        row_filter: Some("county = '兰山'".into()),
        row_limit: None,
    }
}

async fn sql(test: &TestLake, rights: &[Rights], query: &str) -> Result<Answer, LakeError> {
    test.lake.sql_granted(rights, query, Limits::default()).await
}

async fn cells(test: &TestLake, rights: &Rights, query: &str) -> Vec<Vec<String>> {
    let answer =
        sql(test, std::slice::from_ref(rights), query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
    rows(&answer.batches)
}

#[tokio::test]
async fn a_granted_view_has_its_rows_columns_and_masks_only() {
    let (test, table) = city().await;
    let rights = lanshan(&table);
    let expected = [
        ["01", "王**", "138****1234", "兰山"],
        ["02", "王**", "138****1234", "兰山"],
        ["03", "李*", "137****5678", "兰山"],
        ["06", "赵*", "***", "兰山"],
    ];
    assert_eq!(cells(&test, &rights, "select * from citizen order by id").await, expected);
    let order = Order { column: "id".into(), descending: false };
    let selection = Selection { order_by: vec![order], ..Selection::default() };
    let answer = test.lake.read_granted(&rights, &selection, Limits::default()).await.expect("reads");
    assert_eq!(rows(&answer.batches), expected);
    let (schema, stream) = test.lake.stream_granted(&rights, &Selection::default()).await.expect("streams");
    let mut streamed = rows(&collect(stream).await);
    streamed.sort();
    assert_eq!(streamed, expected);
    assert_eq!(schema.fields().len(), 4);
    let found = test.lake.lookup_granted(&rights, &["03"]).await.expect("looks up");
    assert_eq!(rows(&found.batches), expected[2..3]);
    let outside = test.lake.lookup_granted(&rights, &["04"]).await.expect("looks up");
    assert_eq!(outside.rows(), 0, "a row of another county does not exist");
}

#[tokio::test]
async fn a_masked_value_answers_only_to_its_mask() {
    let (test, table) = city().await;
    let rights = lanshan(&table);
    for (query, expected) in [
        // The true value finds nothing, however the question is put.
        ("select id from citizen where phone = '13800001234'", vec![]),
        ("select id from citizen where phone like '1380000%'", vec![]),
        ("select id from citizen where phone in ('13800001234', '13700005678')", vec![]),
        ("select id from citizen where name > '王小' and name < '王小明z'", vec![]),
        ("select id from citizen where substr(phone, 4, 4) = '0000'", vec![]),
        ("select id from citizen where starts_with(name, '王小')", vec![]),
        // The mask finds all that share it.
        ("select id from citizen where phone = '138****1234' order by id", vec!["01", "02"]),
        ("select id from citizen where '王**' = name order by id", vec!["01", "02"]),
        ("select id from citizen where phone between '138' and '139' order by id", vec!["01", "02"]),
    ] {
        let found: Vec<String> = cells(&test, &rights, query).await.concat();
        assert_eq!(found, expected, "{query}");
    }
    let ask = async |param: &str| {
        let condition = Condition { column: "phone".into(), test: Test::Equals(Param::Text(param.into())) };
        let selection = Selection { conditions: vec![condition], ..Selection::default() };
        test.lake.read_granted(&rights, &selection, Limits::default()).await.expect("reads").rows()
    };
    assert_eq!(ask("13800001234").await, 0);
    assert_eq!(ask("138****1234").await, 2);
}

#[tokio::test]
async fn order_group_join_window_and_subquery_work_on_masks() {
    let (test, table) = city().await;
    let rights = lanshan(&table);
    let query = "select phone, count(*) as n from citizen group by phone order by n desc, phone";
    assert_eq!(cells(&test, &rights, query).await, [["138****1234", "2"], ["***", "1"], ["137****5678", "1"]]);
    let query = "select count(distinct phone), count(distinct name), min(name), max(phone) from citizen";
    assert_eq!(cells(&test, &rights, query).await, [["3", "3", "李*", "138****1234"]]);
    // Two people share a mask: a join on it cannot tell them apart.
    let query = "select count(*) from citizen a join citizen b on a.phone = b.phone";
    assert_eq!(cells(&test, &rights, query).await, [["6"]]);
    // Equal masks are equal in every order; the id decides.
    let query = "select id from citizen order by phone desc, id desc limit 2";
    assert_eq!(cells(&test, &rights, query).await.concat(), ["02", "01"]);
    let query = "select id, rank() over (order by phone) from citizen order by id";
    let ranks: Vec<String> = cells(&test, &rights, query).await.into_iter().map(|row| row[1].clone()).collect();
    assert_eq!(ranks, ["3", "3", "2", "1"]);
    let query = "select id from citizen where phone in (select phone from citizen where id = '01') order by id";
    assert_eq!(cells(&test, &rights, query).await.concat(), ["01", "02"]);
    let query = "select id from citizen c where exists \
                (select 1 from citizen d where d.phone = c.phone and d.id <> c.id) order by id";
    assert_eq!(cells(&test, &rights, query).await.concat(), ["01", "02"]);
    let query = "with p as (select phone as x from citizen) select count(*) from p where x like '%0000%'";
    assert_eq!(cells(&test, &rights, query).await, [["0"]]);
    let query = "select name from citizen union select phone from citizen";
    assert_eq!(cells(&test, &rights, query).await.len(), 6);
}

#[tokio::test]
async fn figures_never_count_rows_outside_the_grant() {
    let (test, table) = city().await;
    let rights = lanshan(&table);
    for (query, expected) in [
        ("select count(*) from citizen", "4"),
        ("select count(1) from citizen where id >= '04'", "1"),
        ("select max(id) from citizen", "06"),
        ("select min(county) from citizen", "兰山"),
        ("select count(*) from (select distinct county from citizen) x", "1"),
        ("select count(*) from citizen where county = '沂水'", "0"),
    ] {
        assert_eq!(cells(&test, &rights, query).await, [[expected]], "{query}");
    }
}

#[tokio::test]
async fn an_error_never_tells_of_a_row_outside_the_grant() {
    let (test, table) = city().await;
    let mut rights = lanshan(&table);
    rights.columns.push(GrantedColumn::open("income"));
    // Row 04 is of another county and its income is 0, its id the only one that fails here.
    for query in [
        "select id from citizen where 100 / income > 0 and id = '04'",
        "select count(*) from citizen where 100 / income >= 0",
        "select count(*) from citizen where 1 / (case when id = '04' then 0 else 1 end) = 1",
        "select count(*) from citizen where id = '04' and cast(name as bigint) = 1",
        "select sum(100 / income) from citizen",
        "select count(*) from citizen where cast(replaced as bigint) = 0",
    ] {
        let query =
            query.replace("cast(replaced as bigint)", "cast(case when id = '04' then 'x' else '0' end as bigint)");
        let answer = sql(&test, std::slice::from_ref(&rights), &query).await;
        assert!(answer.is_ok(), "{query}: {}", answer.expect_err("just seen"));
    }
    // On the caller's own rows a failure is told by its kind, without the value.
    for query in [
        "select cast(phone as bigint) from citizen",
        "select cast(name as bigint) from citizen where id = '03'",
        "select 1 / (income - 300) from citizen",
    ] {
        let error = sql(&test, std::slice::from_ref(&rights), query).await.expect_err(query);
        assert!(matches!(error, LakeError::QueryFailed { .. }), "{query}: {error:?}");
        let told = format!("{error} {error:?}");
        assert!(!told.contains('王') && !told.contains("138") && !told.contains('李'), "{told}");
    }
    // A filter of the grant that fails tells nothing but that.
    rights.row_filter = Some("cast(phone as bigint) > 0".into());
    let error = sql(&test, std::slice::from_ref(&rights), "select id from citizen").await;
    let error = error.expect_err("the filter fails on `secret00000`");
    let told = format!("{error} {error:?}");
    assert!(!told.contains("secret") && !told.contains("abc"), "{told}");
    let error = test.lake.lookup_granted(&rights, &["04"]).await.expect_err("the filter fails");
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[tokio::test]
async fn everything_but_one_select_over_granted_views_is_refused() {
    let (test, table) = city().await;
    let rights = lanshan(&table);
    let path = test.lake.folder(&table);
    let file = format!("select * from '{}'", path.display());
    for query in [
        "",
        ";",
        "select",
        "select 1; select 2",
        "explain select * from citizen",
        "explain analyze select * from citizen",
        "explain verbose select * from citizen where phone = '13800001234'",
        "describe citizen",
        "show tables",
        "show all",
        "set datafusion.execution.batch_size = 1",
        "reset datafusion.execution.batch_size",
        "create table t as select * from citizen",
        "create view v as select * from citizen",
        "create external table t stored as csv location '/etc/passwd'",
        "create function f(a int) returns int return a",
        "copy citizen to '/tmp/out.csv'",
        "copy (select * from citizen) to '/tmp/out.csv'",
        "insert into citizen select * from citizen",
        "with x as (select 1) insert into citizen select * from citizen",
        "delete from citizen",
        "update citizen set name = 'x'",
        "drop table citizen",
        "prepare p as select 1",
        "execute p",
        "begin",
        "select * into t from citizen",
        "select * from information_schema.tables",
        "select * from information_schema.df_settings",
        "select * from yihe.granted.citizen",
        "select * from public.citizen",
        "select * from registry.citizen",
        "select * from persons",
        "select * from \"Citizen\"",
        "select * from granted",
        "select * from '/etc/passwd'",
        file.as_str(),
        "select * from read_parquet('/etc/passwd')",
        "select * from generate_series(1, 10)",
        "select * from range(1, 10)",
        "select * from unnest([1, 2])",
        "select unnest([1, 2])",
        "select * from citizen for update",
        "with recursive t as (select 1 as n union all select n + 1 from t) select * from t",
        "select income from citizen",
        "select citizen.income from citizen",
        "select c.income from citizen c",
        "select * from citizen where income > 1",
        "select * from citizen order by income",
        "select max(income) from citizen",
        "select _bucket from citizen",
        "select now()",
        "select current_date",
        "select current_timestamp",
        "select random() from citizen",
        "select uuid()",
        "select version()",
        "select arrow_typeof(id) from citizen",
        "select input_file_name() from citizen",
        "select masked(phone) from citizen",
        "select repeat('x', 1000000000)",
        "select lpad('x', 1000000000)",
        "select replace(name, '*', '')",
        "select array_agg(name) from citizen",
        "select @@version",
        "select @x",
        "select $1",
        "select * from citizen where id = $1",
    ] {
        let outcome = sql(&test, std::slice::from_ref(&rights), query).await;
        let error = match outcome {
            Ok(answer) => panic!("`{query}` was answered: {:?}", rows(&answer.batches)),
            Err(error) => error,
        };
        assert!(matches!(error, LakeError::Refused { .. }), "`{query}`: {error:?}");
        let told = error.to_string();
        for secret in ["13800001234", "王小明", "secret", "income", "lake/registry"] {
            assert!(query.contains(secret) || !told.contains(secret), "`{query}`: {told}");
        }
    }
    assert!(!std::path::Path::new("/tmp/out.csv").exists());
}

#[tokio::test]
async fn bounds_are_kept_and_named() {
    let (test, table) = city().await;
    let rights = lanshan(&table);
    let limits = Limits { rows: 3, ..Limits::default() };
    let ask =
        async |query: &str, limits: Limits| test.lake.sql_granted(std::slice::from_ref(&rights), query, limits).await;
    let error = ask("select id from citizen", limits).await.expect_err("four rows");
    assert_eq!(error.to_string(), "the query went over its bound of 3 rows");
    assert_eq!(ask("select id from citizen limit 3", limits).await.expect("fits").rows(), 3);
    let huge = "select a.id from citizen a, citizen b, citizen c, citizen d, citizen e, citizen f, \
                citizen g, citizen h, citizen i, citizen j";
    let limits = Limits { rows: u64::MAX, bytes: 1 << 20, ..Limits::default() };
    let error = ask(huge, limits).await.expect_err("a million rows");
    assert_eq!(error.to_string(), "the query went over its bound of 1048576 bytes of answer");
    let sorted = format!("{huge} order by j.name || a.id || c.name, b.id, d.id");
    let limits = Limits { memory: 4 << 20, ..Limits::default() };
    let error = ask(&sorted, limits).await.expect_err("sorting needs more");
    assert_eq!(error.to_string(), "the query went over its bound of 4194304 bytes of memory");
    let endless = format!("select count(*) from ({huge}, citizen k, citizen l, citizen m) x");
    let limits = Limits { seconds: 1, ..Limits::default() };
    let error = ask(&endless, limits).await.expect_err("takes minutes");
    assert_eq!(error.to_string(), "the query went over its bound of 1 seconds");

    let limits = Limits::default();
    let mut doubled = "with a0 as (select id from citizen)".to_owned();
    for level in 1..40 {
        let last = level - 1;
        doubled += &format!(", a{level} as (select x.id from a{last} x, a{last} y)");
    }
    doubled += " select count(*) from a39";
    let error = ask(&doubled, limits).await.expect_err("2^39 reads");
    assert_eq!(error.to_string(), "the query went over its bound of 32 reads of views");
    let chain = format!("select {} from citizen", vec!["1"; 900].join(" + "));
    let error = ask(&chain, limits).await.expect_err("900 operators");
    assert!(error.to_string().contains("128 nested expressions"), "{error}");
    let just_fits = format!("select {} as n from citizen limit 1", vec!["1"; 120].join(" + "));
    assert_eq!(rows(&ask(&just_fits, limits).await.expect("fits").batches), [["120"]]);
    let nested = format!("select {}1{}", "(".repeat(400), ")".repeat(400));
    assert!(ask(&nested, limits).await.is_err());
    let selects = format!("{} citizen {}", "select * from (select * from".repeat(60), ") x".repeat(60));
    assert!(ask(&selects, limits).await.is_err());
    let long = format!("select '{}'", "x".repeat(2_000));
    let error = ask(&long, limits).await.expect_err("a long literal");
    assert!(error.to_string().contains("1024 bytes of one text literal"), "{error}");
    let joined = format!("select {} from citizen", ["name"; 12].join(" || "));
    let error = ask(&joined, limits).await.expect_err("texts grow");
    assert!(error.to_string().contains("8 joinings of texts"), "{error}");
    let joined = format!("select concat({}) from citizen", ["name"; 9].join(", "));
    let error = ask(&joined, limits).await.expect_err("texts grow");
    assert!(error.to_string().contains("8 joinings of texts"), "{error}");
    assert!(ask(&"x".repeat(20_000), limits).await.is_err());

    let mut few = lanshan(&table);
    few.row_limit = Some(2);
    let answer = test.lake.read_granted(&few, &Selection::default(), Limits::default()).await.expect("is cut");
    assert_eq!((answer.rows(), answer.truncated), (2, true));
    let error = sql(&test, &[few.clone()], "select id from citizen").await.expect_err("too many");
    assert_eq!(error.to_string(), "the query went over its bound of 2 rows");
    let (_, stream) = test.lake.stream_granted(&few, &Selection::default()).await.expect("streams");
    assert_eq!(rows(&collect(stream).await).len(), 2);
}

#[tokio::test]
async fn conditions_are_checked_against_the_view() {
    let (test, table) = city().await;
    let mut rights = lanshan(&table);
    rights.columns.push(GrantedColumn::open("income"));
    let ask = async |column: &str, asked: Test| {
        let condition = Condition { column: column.into(), test: asked };
        let selection = Selection {
            conditions: vec![condition],
            order_by: vec![Order { column: "id".into(), descending: true }],
            columns: Some(vec!["id".into()]),
            ..Selection::default()
        };
        test.lake
            .read_granted(&rights, &selection, Limits::default())
            .await
            .map(|answer| rows(&answer.batches).concat().join(" "))
            .map_err(|error| error.to_string())
    };
    assert_eq!(ask("income", Test::AtLeast(Param::Integer(200))).await, Ok("03 02".into()));
    assert_eq!(ask("income", Test::Above(Param::Text("200".into()))).await, Ok("03".into()));
    assert_eq!(ask("income", Test::Below(Param::Integer(200))).await, Ok("01".into()));
    assert_eq!(ask("income", Test::AtMost(Param::Integer(0))).await, Ok(String::new()));
    assert_eq!(ask("income", Test::IsAbsent).await, Ok("06".into()));
    assert_eq!(ask("income", Test::IsPresent).await, Ok("03 02 01".into()));
    assert_eq!(ask("id", Test::Differs(Param::Text("01".into()))).await, Ok("06 03 02".into()));
    let some = vec![Param::Text("01".into()), Param::Text("04".into())];
    assert_eq!(ask("id", Test::OneOf(some)).await, Ok("01".into()));
    assert_eq!(ask("name", Test::StartsWith("王".into())).await, Ok("02 01".into()));
    assert_eq!(ask("name", Test::StartsWith("王小".into())).await, Ok(String::new()));
    for (column, asked, expected) in [
        (
            "income",
            Test::Equals(Param::Text("x".into())),
            "the query is refused: the value given for column `income` is not of its type, Int64",
        ),
        (
            "income",
            Test::Equals(Param::Float(1.5)),
            "the query is refused: the value given for column `income` is not of its type, Int64",
        ),
        ("born_on", Test::IsAbsent, "the query is refused: the view has no column `born_on`"),
        ("_bucket", Test::IsPresent, "the query is refused: the view has no column `_bucket`"),
        ("income", Test::StartsWith("1".into()), "the query is refused: column `income` is not text"),
    ] {
        assert_eq!(ask(column, asked).await, Err(expected.into()));
    }
}

#[tokio::test]
async fn a_key_is_looked_up_only_when_the_view_shows_it() {
    let (test, table) = city().await;
    let by_key = |query: &str| Selection {
        conditions: vec![Condition { column: "id".into(), test: Test::Equals(Param::Text(query.into())) }],
        columns: Some(vec!["phone".into(), "id".into()]),
        ..Selection::default()
    };
    let mut rights = lanshan(&table);
    let answer = test.lake.read_granted(&rights, &by_key("02"), Limits::default()).await.expect("reads by key");
    assert_eq!(rows(&answer.batches), [["138****1234", "02"]]);
    rights.columns[0] = GrantedColumn::masked("id", Mask::Hash(Salt::new(*b"0123456789abcdef")));
    let error = test.lake.lookup_granted(&rights, &["02"]).await.expect_err("the key is masked");
    assert!(matches!(error, LakeError::Refused { .. }), "{error}");
    let answer = test.lake.read_granted(&rights, &by_key("02"), Limits::default()).await.expect("reads the mask");
    assert_eq!(answer.rows(), 0, "the true key is not the mask");
    rights.columns.remove(0);
    let error = test.lake.lookup_granted(&rights, &["02"]).await.expect_err("no key");
    assert!(!error.to_string().contains("`id`"), "{error}");
}

#[tokio::test]
async fn a_grant_that_does_not_fit_its_table_says_so() {
    let (test, table) = city().await;
    for (change, expected) in [
        (
            Box::new(|rights: &mut Rights| rights.columns.push(GrantedColumn::open("age"))) as Box<dyn Fn(&mut Rights)>,
            "table `registry/citizen` has no column `age`",
        ),
        (Box::new(|rights: &mut Rights| rights.columns.push(GrantedColumn::open("id"))), "it names column `id` twice"),
        (
            Box::new(|rights: &mut Rights| rights.row_filter = Some("income".into())),
            "its row filter gives Int64, expected true or false",
        ),
        (
            Box::new(|rights: &mut Rights| {
                rights.row_filter = Some("county in (select name from citizen)".into());
            }),
            "its row filter is not understood",
        ),
        (
            Box::new(|rights: &mut Rights| rights.row_filter = Some("now() > now()".into())),
            "its row filter is not understood",
        ),
        (Box::new(|rights: &mut Rights| rights.columns.clear()), "it covers 0 columns"),
        (Box::new(|rights: &mut Rights| rights.view = "a b".into()), "its name must be"),
    ] {
        let mut rights = lanshan(&table);
        change(&mut rights);
        let error = test.lake.granted_schema(&rights).await.expect_err(expected);
        assert!(matches!(error, LakeError::Rights { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn two_grants_join_and_each_keeps_its_own_masks() {
    let (test, table) = city().await;
    let mut other = lanshan(&table);
    other.view = "income".into();
    other.row_filter = Some("income >= 200".into());
    other.columns = vec![GrantedColumn::open("id"), GrantedColumn::open("income")];
    let rights = [lanshan(&table), other];
    let query = "select c.id, c.name, i.income from citizen c join income i on c.id = i.id order by 1";
    let answer = sql(&test, &rights, query).await.expect("joins");
    assert_eq!(rows(&answer.batches), [["02", "王**", "200"], ["03", "李*", "300"]]);
    let mut twice = rights.clone();
    twice[1].view = "citizen".into();
    assert!(matches!(sql(&test, &twice, "select 1").await, Err(LakeError::Rights { .. })));
}

#[tokio::test]
async fn a_grant_may_stand_on_an_older_version() {
    let (test, table) = city().await;
    let mut rights = lanshan(&table);
    rights.version = Some(0);
    assert_eq!(cells(&test, &rights, "select count(*) from citizen").await, [["0"]]);
    rights.version = Some(9);
    let error = sql(&test, &[rights], "select 1 from citizen").await.expect_err("no version 9");
    assert!(matches!(error, LakeError::NoVersion { version: 9, newest: 1, .. }), "{error}");
}
