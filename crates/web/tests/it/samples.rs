//! Views with sample values, for the snapshots and the preview of the pages.

use jiff::{Timestamp, civil::Date};
use yihe_web::{
    language::{Language, Text, Words},
    layout::{Frame, Part, SignedIn, Standing},
    pages::{
        ClockView, Stop,
        apply::{ApplyView, Filled},
        catalogue::{Asked, CatalogueView, Facet, FacetValue, Hit, SharingKind},
        docket::{DocketView, Item},
        entry::{BatchLine, ColumnLine, EntryView, MetricLine, ProofLine},
        grants::{Grant, GrantState, GrantsView, NewToken},
        home::{DepartmentLine, HomeView, Intake, LedgerHead, RegistryLine, Supply, WaitingLine},
        ledger::{LedgerView, Round, RoundState, WitnessLine},
        login::LoginView,
        objection::{ObjectionView, SupplyFacts},
        proof::ProofLink,
        quality::{
            Body, BodyView, PartLine, ScoreView, WorstLine,
            dataset::{Asked as AskedRows, CheckLine, DatasetView, FaultLine, RowSight, RuleLine},
        },
        registry::{
            DepartmentLine as RegistryDepartment, FieldLine, Figures, RegistriesView, RegistryView, SourceLine,
            ThemeLine,
            agreement::{AgreementView, DisputedLine, ReviewerLine},
            pair::{PairView, Step as PairStep, Verdict, level_title},
            record::{DecisionLine, DisclosureLine, GoldenField, Loser, Origin, RecordLine, RecordView},
            review::{PairLine, ReviewView},
            theme::{ColumnLine as ThemeColumn, SourceTable, ThemeView},
            trial::{ChangeLine, ExampleLine, FieldChoice, FieldSources, TrialFormView, TrialState, TrialView},
        },
        request::{Act, ActField, FieldKind, GrantLine, Need, Outcome, RequestView, Step, StepState, Weight},
        ticket::{NoticeLine, NoticeView, StepLine, TicketAct, TicketLine, TicketView, TicketsView},
    },
    problem::{Kind, Problem},
};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a sample instant")
}

fn day(text: &str) -> Date {
    text.parse().expect("a sample day")
}

fn text(zh: &str, en: &str) -> Text {
    Text::new(zh, en)
}

/// The frame of a page for somebody signed in (`Some(waiting)`) or not.
pub fn frame(language: Language, part: Part, here: &str, waiting: Option<u64>) -> Frame {
    Frame {
        words: Words(language),
        city: text("临沂市", "Linyi"),
        here: here.to_owned(),
        part,
        visitor: waiting.map(|waiting| SignedIn {
            name: "minzheng".into(),
            form_token: "sample".into(),
            standing: Standing::Party,
            waiting,
        }),
    }
}

/// Every page: file name and markup.
pub fn pages(language: Language) -> Vec<(&'static str, String)> {
    use yihe_web::pages;
    let open = |part, here| frame(language, part, here, None);
    let mine = |part, here| frame(language, part, here, Some(2));
    let unprocessable = Problem::saying(
        Kind::Unprocessable,
        "第 18 行：代码以 Z 结尾，按前 17 位应为 3。请在源头改正后重新报送。",
        "Row 18: the code ends in Z, its first 17 characters call for 3. Correct it at the source and send the row again.",
    );
    vec![
        ("home", pages::home::page(&open(Part::Home, "/"), &home()).into_string()),
        ("catalogue", pages::catalogue::page(&open(Part::Catalogue, "/catalogue?q=lsq"), &catalogue()).into_string()),
        ("entry", pages::entry::page(&open(Part::Catalogue, "/catalogue/1/01/001/01"), &entry()).into_string()),
        ("docket", pages::docket::page(&mine(Part::Docket, "/docket"), &docket()).into_string()),
        ("request", pages::request::page(&mine(Part::Docket, "/requests/r1"), &request()).into_string()),
        ("apply", pages::apply::page(&mine(Part::Catalogue, "/requests/new"), &apply()).into_string()),
        ("grants", pages::grants::page(&mine(Part::Grants, "/grants"), &grants()).into_string()),
        ("quality", pages::quality::page(&open(Part::Quality, "/quality"), &quality()).into_string()),
        (
            "quality_dataset",
            pages::quality::dataset::page(&mine(Part::Quality, "/quality/datasets/d"), &quality_dataset())
                .into_string(),
        ),
        ("registries", pages::registry::list(&open(Part::Registries, "/registries"), &registries()).into_string()),
        (
            "registry",
            pages::registry::page(&mine(Part::Registries, "/registries/population"), &registry()).into_string(),
        ),
        (
            "theme",
            pages::registry::theme::page(&open(Part::Registries, "/themes/older_people"), &theme()).into_string(),
        ),
        (
            "registry_record",
            pages::registry::record::page(&mine(Part::Registries, "/registries/population/records/e"), &record())
                .into_string(),
        ),
        (
            "registry_pair",
            pages::registry::pair::page(&mine(Part::Registries, "/registries/population/pairs/p"), &pair())
                .into_string(),
        ),
        (
            "registry_review",
            pages::registry::review::page(&mine(Part::Registries, "/registries/population/review"), &review())
                .into_string(),
        ),
        (
            "registry_agreement",
            pages::registry::agreement::page(&mine(Part::Registries, "/registries/population/a"), &agreement())
                .into_string(),
        ),
        (
            "registry_trial_form",
            pages::registry::trial::form(&mine(Part::Registries, "/registries/population/what-if"), &trial_form())
                .into_string(),
        ),
        (
            "registry_trial",
            pages::registry::trial::page(&mine(Part::Registries, "/registries/population/what-if/t"), &trial())
                .into_string(),
        ),
        ("tickets", pages::ticket::list(&mine(Part::Tickets, "/tickets"), &tickets()).into_string()),
        ("ticket", pages::ticket::page(&mine(Part::Tickets, "/tickets/t1"), &ticket()).into_string()),
        ("notice", pages::ticket::notice(&mine(Part::Docket, "/notices/n1"), &notice()).into_string()),
        ("objection", pages::objection::page(&mine(Part::Tickets, "/objections/new"), &objection()).into_string()),
        ("ledger", pages::ledger::page(&open(Part::Ledger, "/ledger"), &ledger()).into_string()),
        ("login", pages::login::page(&open(Part::Elsewhere, "/login"), &login()).into_string()),
        ("refusal", pages::refusal::page(&open(Part::Elsewhere, "/x"), &unprocessable, "4bf92f35").into_string()),
    ]
}

fn figures() -> Figures {
    Figures {
        id: "population".into(),
        title: text("人口基础库", "Population registry"),
        department: text("市公安局", "Public Security Bureau"),
        entities: Some(10_983_412),
        records: 61_204_518,
        unlinked: 20_116,
        conflicts: 412_905,
        doubtful: Some(318),
        members: 10,
        built_at: Some(at("2026-11-20T19:20:00Z")),
    }
}

fn registries() -> RegistriesView {
    let places = Figures {
        id: "places".into(),
        title: text("地名地址基础库", "Registry of places"),
        department: text("市民政局", "Civil Affairs Bureau"),
        entities: None,
        records: 0,
        unlinked: 0,
        conflicts: 0,
        doubtful: None,
        members: 4,
        built_at: None,
    };
    let theme = ThemeLine {
        id: "older_people".into(),
        title: text("老年人", "Older people"),
        about: text("年满六十岁的在世人口", "The living of sixty years and more"),
        department: text("市民政局", "Civil Affairs Bureau"),
        rows: Some(2_310_044),
    };
    RegistriesView { registries: vec![figures(), places], themes: vec![theme] }
}

fn theme() -> ThemeView {
    let column = |name: &str, zh: &str, en: &str, column_type: &str, is_sensitive, filled| ThemeColumn {
        name: name.into(),
        title: text(zh, en),
        column_type: column_type.into(),
        is_sensitive,
        filled,
    };
    let source = |alias: &str, title, department, href: &str, is_registry| SourceTable {
        alias: alias.into(),
        title,
        department,
        href: href.into(),
        is_registry,
    };
    ThemeView {
        title: text("老年人", "Older people"),
        about: text("年满六十岁的在世人口", "The living of sixty years and more"),
        department: text("市民政局", "Civil Affairs Bureau"),
        is_view: false,
        keys: vec![
            (text("人", "person"), "citizen_id".into()),
            (text("区划", "division"), "residence_division".into()),
        ],
        sources: vec![
            source(
                "p",
                text("人口基础库", "Population registry"),
                text("市公安局", "Public Security Bureau"),
                "/registries/population",
                true,
            ),
            source(
                "i",
                text("参保人员", "Insured persons"),
                text("市人力资源社会保障局", "Human Resources Bureau"),
                "/quality/datasets/social_insurance_persons",
                false,
            ),
        ],
        columns: vec![
            column("citizen_id", "公民身份号码", "Citizen number", "text", true, Some(2_310_044)),
            column("pension", "月养老金", "Monthly pension", "decimal(12,2)", false, Some(1_204_551)),
            column("residence_division", "居住地区划代码", "Division of residence", "text", false, None),
        ],
        rows: Some(2_310_044),
        built_at: Some(at("2026-11-20T19:40:00Z")),
        score: score(95.2, "优", "excellent", false),
        sql: "SELECT p.citizen_id, i.pension, p.residence_division\nFROM p LEFT JOIN i ON i.id = p.citizen_id".into(),
        entry_href: Some("/catalogue/2%2F01%2F000%2F01".into()),
    }
}

fn registry() -> RegistryView {
    let source = |department: (&str, &str), dataset: (&str, &str), rank, taken| SourceLine {
        department: text(department.0, department.1),
        dataset: text(dataset.0, dataset.1),
        rank,
        taken,
    };
    let insurance = ("市医疗保障局", "Healthcare Security Bureau");
    RegistryView {
        figures: figures(),
        key: text("公民身份号码", "citizen identity number"),
        standing: yihe_registries::sight::Standing::Keeper,
        score: score(93.4, "良", "good", false),
        fields: vec![
            FieldLine {
                name: "mobile".into(),
                title: text("手机号码", "Mobile"),
                standard: None,
                group: None,
                filled: 9_100_000,
                conflicts: 301_222,
                sources: vec![
                    source(insurance, ("参保人员", "Insured persons"), Some(1), 8_200_000),
                    source(("市公安局", "Public Security Bureau"), ("居住证", "Residence permits"), Some(2), 900_000),
                    source(("市卫生健康委", "Health Commission"), ("健康档案", "Health records"), None, 0),
                ],
            },
            FieldLine {
                name: "household_address".into(),
                title: text("户籍地址", "Registered address"),
                standard: None,
                group: Some("household".into()),
                filled: 10_983_412,
                conflicts: 0,
                sources: vec![source(
                    ("市公安局", "Public Security Bureau"),
                    ("户籍人口", "Household register"),
                    Some(1),
                    10_983_412,
                )],
            },
        ],
        departments: vec![
            RegistryDepartment {
                name: text("市公安局", "Public Security Bureau"),
                source_of: 7,
                taken: 70_114_000,
                lost: 1_204,
            },
            RegistryDepartment {
                name: text("市卫生健康委", "Health Commission"),
                source_of: 0,
                taken: 0,
                lost: 210_000,
            },
        ],
        is_counted: true,
        message: None,
    }
}

fn origin(department: (&str, &str), dataset: (&str, &str), changed: &str, row: i64) -> Origin {
    Origin {
        department: text(department.0, department.1),
        dataset: text(dataset.0, dataset.1),
        changed_on: Some(day(changed)),
        place: Some(("0199f3a1-77aa".into(), row)),
        arrived_at: None,
    }
}

fn record() -> RecordView {
    let household =
        || origin(("市公安局", "Public Security Bureau"), ("户籍人口", "Household register"), "2026-03-01", 18);
    let insurance =
        || origin(("市医疗保障局", "Healthcare Security Bureau"), ("参保人员", "Insured persons"), "2026-10-09", 4_021);
    RecordView {
        registry: "population".into(),
        title: text("人口基础库", "Population registry"),
        entity: "E3k9m2c7xq5v8t1n4w6y0bzd5fgh".into(),
        key_title: text("公民身份号码", "Citizen identity number"),
        key: "371302********0016".into(),
        other_keys: vec!["371302********001X".into()],
        standing: Some(text("在世", "living")),
        is_protected: false,
        cleared_for: None,
        may_clear: true,
        fields: vec![
            GoldenField {
                title: text("姓名", "Name"),
                group: None,
                value: Some("W**".into()),
                is_masked: true,
                from: Some(household()),
                losers: vec![Loser {
                    value: "W**".into(),
                    from: insurance(),
                    reason: text("次序在后（脱敏后相同，原值不同）", "believed later (differs below the mask)"),
                }],
            },
            GoldenField {
                title: text("学历", "Education"),
                group: None,
                value: None,
                is_masked: false,
                from: None,
                losers: Vec::new(),
            },
        ],
        records: vec![
            RecordLine {
                from: household(), joined_by: text("凭自己的号码", "by its own number"), pair_href: None
            },
            RecordLine {
                from: insurance(),
                joined_by: text("经核对并入", "joined by a reviewer"),
                pair_href: Some("/registries/population/pairs/p".into()),
            },
        ],
        decisions: vec![DecisionLine {
            what: text("并入", "joined"),
            who: "gongan-officer".into(),
            at: at("2026-11-02T01:12:00Z"),
            reason: "2/2".into(),
            revoked_at: None,
            weights: vec![
                (text("姓名", "Name"), text("相同", "exact"), 9.4),
                (text("住址", "Address"), text("不同", "different"), -2.1),
            ],
            model: Some(("5f2c9a71".into(), 3)),
            pair_href: Some("/registries/population/pairs/p".into()),
        }],
        disclosures: vec![DisclosureLine {
            at: at("2026-11-21T08:00:00Z"),
            department: text("市公安局", "Public Security Bureau"),
            account: "gongan-officer".into(),
            reason: "12345-0091".into(),
        }],
    }
}

fn pair_step(field: (&str, &str), values: (Option<&str>, Option<&str>), level: &str, weight: f64) -> PairStep {
    let (agreement, level) = level_title(level);
    PairStep {
        field: text(field.0, field.1),
        record: values.0.map(str::to_owned),
        entity: values.1.map(str::to_owned),
        agreement,
        level,
        weight,
        rarity: if weight > 5.0 { 2.4 } else { 0.0 },
    }
}

fn pair() -> PairView {
    PairView {
        registry: "population".into(),
        title: text("人口基础库", "Population registry"),
        pair: "residence_permits.0199f3a1.7.E3k9".into(),
        department: text("市公安局", "Public Security Bureau"),
        dataset: text("居住证", "Residence permits"),
        record_key: "R0007".into(),
        other: None,
        entity: "E3k9m2c7xq5v8t1n4w6y0bzd5fgh".into(),
        entity_key: "371302********0016".into(),
        prior: -16.2,
        steps: vec![
            pair_step(("姓名", "Name"), (Some("W**"), Some("W**")), "exact", 11.4),
            pair_step(("手机号码", "Mobile"), (Some("138****0001"), Some("138****0010")), "edits <= 2", 6.1),
            pair_step(("出生日期", "Born on"), (Some("1987-**-**"), Some("1987-**-**")), "exact", 5.6),
            pair_step(("居住地址", "Residence"), (None, Some("***")), "missing", 0.0),
            pair_step(("性别", "Sex"), (Some("1"), Some("2")), "other", -4.3),
        ],
        moved: 2.1,
        kin: -1.8,
        probability: 0.690_1,
        cleared_for: None,
        is_protected: false,
        is_keeper: true,
        answered: Some(Verdict::Unsure),
        said: Some(text("上一对：同一个，已记。", "The pair before: same, recorded.")),
        decided: None,
        previous: Some("a.b.1.c".into()),
        next: Some("a.b.2.c".into()),
        shown_at: 1_763_000_000_000_000,
        reviewers: 2,
    }
}

fn review() -> ReviewView {
    ReviewView {
        registry: "population".into(),
        title: text("人口基础库", "Population registry"),
        pairs: vec![PairLine {
            pair: "residence_permits.0199f3a1.7.E3k9".into(),
            department: text("市公安局", "Public Security Bureau"),
            dataset: text("居住证", "Residence permits"),
            record_key: "R0007".into(),
            entity_key: "371302********0016".into(),
            probability: 0.512_2,
            differences: vec![pair_step(("性别", "Sex"), (Some("1"), Some("2")), "other", -4.3)],
            answers: vec![Verdict::Same],
        }],
        next: Some("20".into()),
        is_searched: true,
        said: None,
    }
}

fn agreement() -> AgreementView {
    let reviewer = |name: &str, counts, seconds| ReviewerLine { name: name.into(), counts, seconds };
    AgreementView {
        registry: "population".into(),
        title: text("人口基础库", "Population registry"),
        answers: 64,
        shared: 30,
        share: Some(0.933_3),
        kappa: Some(0.84),
        reviewers: vec![reviewer("gongan-officer", [20, 10, 2], 14), reviewer("dashuju-reviewer", [21, 9, 2], 21)],
        disputed: vec![DisputedLine {
            pair: Some("a.b.1.c".into()),
            dataset: text("居住证", "Residence permits"),
            record_key: "R0009".into(),
            entity_key: "371302********0033".into(),
            answers: vec![("gongan-officer".into(), Verdict::Same), ("dashuju-reviewer".into(), Verdict::Different)],
        }],
    }
}

fn trial_form() -> TrialFormView {
    let source = |id: &str, title: (&str, &str), department: (&str, &str), rank| {
        (id.to_owned(), text(title.0, title.1), text(department.0, department.1), rank)
    };
    TrialFormView {
        registry: "population".into(),
        title: text("人口基础库", "Population registry"),
        fields: vec![
            FieldChoice { name: "mobile".into(), title: text("手机号码", "Mobile") },
            FieldChoice { name: "sex".into(), title: text("性别", "Sex") },
        ],
        chosen: Some(FieldSources {
            name: "mobile".into(),
            title: text("手机号码", "Mobile"),
            sources: vec![
                source("a", ("参保人员", "Insured persons"), ("市医疗保障局", "Healthcare Security Bureau"), Some(1)),
                source("b", ("居住证", "Residence permits"), ("市公安局", "Public Security Bureau"), Some(2)),
                source("c", ("健康档案", "Health records"), ("市卫生健康委", "Health Commission"), None),
            ],
        }),
        trials: vec![("t".into(), text("性别", "Sex"), at("2026-11-21T08:00:00Z"))],
    }
}

fn trial() -> TrialView {
    let permits = || (text("市公安局", "Public Security Bureau"), text("居住证", "Residence permits"));
    let insured = || (text("市医疗保障局", "Healthcare Security Bureau"), text("参保人员", "Insured persons"));
    TrialView {
        registry: "population".into(),
        title: text("人口基础库", "Population registry"),
        trial: "t".into(),
        field: text("手机号码", "Mobile"),
        field_name: "mobile".into(),
        before: vec![insured(), permits()],
        after: vec![permits(), insured()],
        begun_at: at("2026-11-21T08:00:00Z"),
        state: TrialState::Done {
            entities: 10_983_412,
            changes: vec![ChangeLine {
                field: text("手机号码", "Mobile"),
                altered: 300_119,
                lost: 0,
                gained: 0,
                moved: 812_004,
                examples: vec![ExampleLine {
                    key: "371302********0016".into(),
                    before: ("138****0001".into(), insured().0),
                    after: ("139****0444".into(), permits().0),
                }],
            }],
        },
    }
}

fn score(value: f64, zh: &str, en: &str, is_low: bool) -> ScoreView {
    use yihe_definitions::Dimension::{Accuracy, Completeness, Conformity};
    ScoreView {
        value: Some(value),
        grade: Some(text(zh, en)),
        is_low,
        dimensions: vec![(Conformity, 99.1, 0.333_3), (Completeness, 91.5, 0.333_3), (Accuracy, value, 0.333_3)],
    }
}

fn quality() -> BodyView {
    let part = |zh: &str, en: &str, href: &str, score: ScoreView, rows, open| PartLine {
        name: text(zh, en),
        href: href.into(),
        score,
        rows,
        open,
        tickets: open.map(|_| 3),
    };
    BodyView {
        title: text("临沂市", "Linyi"),
        kind: Body::City,
        score: score(96.42, "良", "good", false),
        rows: 8_749_777,
        open: Some(21_904),
        tickets: 41,
        parts: vec![
            part(
                "市民政局",
                "Civil Affairs Bureau",
                "/quality/departments/minzheng",
                score(83.2, "低", "low", true),
                802_331,
                Some(9_120),
            ),
            part(
                "市公安局",
                "Public Security Bureau",
                "/quality/departments/gongan",
                score(99.31, "优", "excellent", false),
                5_412_887,
                Some(1_204),
            ),
        ],
        counties: vec![part(
            "兰山区人民政府",
            "Lanshan District Government",
            "/quality/counties/371302",
            score(95.8, "良", "good", false),
            912_331,
            None,
        )],
        worst: vec![WorstLine {
            dataset: text("学籍信息", "Pupils"),
            rule: text("手机：11 位手机号码", "Mobile: an 11-digit mobile number"),
            href: "/quality/datasets/pupils?rule=mobile_form#rows".into(),
            rows: 611_220,
            failed: 8_100,
        }],
    }
}

fn fault_line() -> FaultLine {
    FaultLine {
        rule: text("手机：11 位手机号码", "Mobile: an 11-digit mobile number"),
        state: text("未更正", "standing"),
        cells: vec![(Some("S001".into()), false), (Some("139****".into()), true), (None, false)],
        found: Some("139****".into()),
        first_seen_at: at("2026-11-20T02:00:00Z"),
        last_seen_at: at("2026-11-21T02:00:00Z"),
        times: 2,
    }
}

fn fault_columns() -> Vec<Text> {
    vec![text("学籍号", "Number"), text("手机", "Mobile"), text("学校", "School")]
}

fn quality_dataset() -> DatasetView {
    let check = |when: &str, score, new, ended, open| CheckLine {
        at: at(when),
        rows: 1_000,
        score: Some(score),
        new,
        reopened: 1,
        ended,
        open,
    };
    DatasetView {
        kept_out: None,
        id: "pupils".into(),
        title: text("学籍信息", "Pupils"),
        department: text("市教育局", "Education Bureau"),
        department_href: "/quality/departments/jiaoyu".into(),
        score: score(83.2, "低", "low", true),
        rows: 611_220,
        open: 8_100,
        held: 12,
        checked_at: Some(at("2026-11-21T02:00:00Z")),
        history: vec![
            check("2026-11-19T02:00:00Z", 91.0, 40, 0, 40),
            check("2026-11-20T02:00:00Z", 94.5, 3, 21, 22),
            check("2026-11-21T02:00:00Z", 83.2, 8_080, 2, 8_100),
        ],
        unusual: vec![text(
            "手机格式不符的行是平时的 200 倍。",
            "200 times as many rows as usual have a malformed mobile number.",
        )],
        rules: vec![RuleLine {
            id: "mobile_form".into(),
            title: text("手机：11 位手机号码", "Mobile: an 11-digit mobile number"),
            dimension: yihe_definitions::Dimension::Conformity,
            severity: text("退回核实", "department is asked"),
            rows: 611_220,
            failed: 8_100,
            ticket: Some("t1".into()),
        }],
        sight: RowSight::Masked,
        asked: AskedRows { rule: Some("mobile_form".into()), state: String::new(), held: false, page: 2 },
        faults: vec![fault_line()],
        columns: fault_columns(),
        has_more: true,
    }
}

fn tickets() -> TicketsView {
    TicketsView {
        state: "open".into(),
        lines: vec![TicketLine {
            id: "t1".into(),
            subject: text("学籍信息 · 手机：11 位手机号码", "Pupils · Mobile: an 11-digit mobile number"),
            department: text("市教育局", "Education Bureau"),
            state: text("待办", "Open"),
            is_open: true,
            rows: 8_100,
            opened_at: at("2026-11-21T02:00:00Z"),
        }],
        total: 51,
        page: 1,
        has_more: true,
    }
}

fn ticket() -> TicketView {
    TicketView {
        id: "t1".into(),
        subject: text("学籍信息 · 手机：11 位手机号码", "Pupils · Mobile: an 11-digit mobile number"),
        department: text("市教育局", "Education Bureau"),
        state: text("待办", "Open"),
        is_open: true,
        facts: vec![
            (text("数据集", "Dataset"), text("学籍信息", "Pupils")),
            (text("未更正", "Standing"), text("8100", "8100")),
        ],
        statement: None,
        steps: vec![
            StepLine {
                title: text("开单，退回责任部门", "Opened and returned to its department"),
                who: text("市大数据局", "Big Data Bureau"),
                at: at("2026-11-19T02:00:00Z"),
                said: None,
            },
            StepLine {
                title: text("重开", "Opened again"),
                who: text("市大数据局", "Big Data Bureau"),
                at: at("2026-11-21T02:00:00Z"),
                said: None,
            },
        ],
        proofs: Vec::new(),
        clock: Some(clock(9)),
        waits_for: Some(text("市教育局 · 经办人", "Education Bureau · officer")),
        columns: fault_columns(),
        faults: vec![fault_line()],
        lost: vec![("01a2053b-9002-7750-a174-3fb08be57be7:17".into(), text("户籍人口", "Household register"))],
        all_href: Some("/quality/datasets/pupils?rule=mobile_form#rows".into()),
        workbook_href: Some("/quality/datasets/pupils/faults.xlsx?rule=mobile_form".into()),
        notices: vec![NoticeLine {
            id: "n1".into(),
            department: text("市民政局", "Civil Affairs Bureau"),
            outcome: text("源头已更正", "Corrected at the source"),
            supplies: 4,
            told_at: at("2026-11-20T02:00:00Z"),
            acknowledged_at: None,
        }],
        acts: vec![TicketAct::Close, TicketAct::Reopen],
        version: 3,
    }
}

fn notice() -> NoticeView {
    NoticeView {
        id: "n1".into(),
        subject: text("学籍信息 · 手机：11 位手机号码", "Pupils · Mobile: an 11-digit mobile number"),
        outcome: text("源头已更正", "Corrected at the source"),
        supplies: 1,
        receipts: vec![("0199a1".into(), "HY-2026-000001".into(), at("2026-11-18T02:00:00Z"))],
        told_at: at("2026-11-20T02:00:00Z"),
        proofs: proofs(),
        acknowledged: None,
        clock: Some(clock(8)),
        may_acknowledge: true,
    }
}

fn objection() -> ObjectionView {
    ObjectionView {
        receipt: "0199a1".into(),
        supply: Some(SupplyFacts {
            entry: text("婚姻登记信息", "Marriage registrations"),
            case_number: "BDC-2026-1".into(),
            at: at("2026-11-18T02:00:00Z"),
            fields: vec![
                ("name".into(), text("姓名", "Name")),
                ("marital_status".into(), text("婚姻状况", "Marital status")),
            ],
        }),
    }
}

fn clock(days_left: i64) -> ClockView {
    ClockView {
        purpose: text("答复", "Answer"),
        due_on: Some(day("2026-12-04")),
        days_left,
        term_days: 10,
        source: Some(text("政务数据共享条例 第二十一条", "政务数据共享条例, art. 21")),
        stops: Vec::new(),
    }
}

fn home() -> HomeView {
    let names = [
        ("gongan", "市公安局", "Public Security Bureau", 4, 4, 5_412_887, 1_204, Some(0.993_1)),
        (
            "renshe",
            "市人力资源和社会保障局",
            "Human Resources and Social Security Bureau",
            5,
            4,
            1_902_114,
            8_412,
            Some(0.971_2),
        ),
        ("minzheng", "市民政局", "Civil Affairs Bureau", 3, 3, 802_331, 310, Some(0.988)),
        ("scjg", "市市场监督管理局", "Market Regulation Bureau", 3, 3, 512_004, 22, Some(0.999_96)),
        ("ziran", "市自然资源和规划局", "Natural Resources and Planning Bureau", 2, 1, 120_441, 0, Some(0.95)),
        ("shuili", "市水利局", "Water Resources Bureau", 1, 0, 0, 0, None),
    ];
    HomeView {
        intake: Intake {
            batches: 86,
            rows_in: 8_759_725,
            rows_accepted: 8_749_777,
            rows_quarantined: 9_948,
            score: Some(0.982_1),
        },
        registries: vec![
            RegistryLine {
                title: text("人口基础库", "Population"), records: 5_398_112, members: 9, conflicts: 31_204
            },
            RegistryLine {
                title: text("法人单位基础库", "Legal entities"),
                records: 498_220,
                members: 6,
                conflicts: 4_102,
            },
            RegistryLine { title: text("地名地址基础库", "Places"), records: 4_355, members: 3, conflicts: 12 },
        ],
        datasets: 44,
        entries: 41,
        departments: names
            .into_iter()
            .map(|(id, zh, en, promised, delivered, rows, quarantined, score)| DepartmentLine {
                name: text(zh, en),
                id: id.into(),
                promised,
                delivered,
                rows,
                quarantined,
                score,
                last_at: (delivered > 0).then(|| at("2026-11-21T18:02:11Z")),
            })
            .collect(),
        supply: Supply {
            calls: 11_208,
            records: 39_220,
            grants: 7,
            by_day: (1..=21)
                .map(|number| (Date::constant(2026, 11, number), 180 + u64::from(number.unsigned_abs()) * 37 % 11 * 60))
                .collect(),
        },
        ledger: head(),
        waiting: vec![
            WaitingLine {
                title: text("共享申请：婚姻登记信息", "Share request: marriage registrations"),
                task: text("待提供部门答复", "awaiting the answer"),
                href: None,
                who: text("市民政局", "Civil Affairs Bureau"),
                clock: Some(clock(-1)),
            },
            WaitingLine {
                title: text("共享申请：社会保险参保信息", "Share request: social insurance"),
                task: text("待申请部门审签", "awaiting the signature"),
                href: Some("/requests/r2".into()),
                who: text("市医疗保障局", "Healthcare Security Bureau"),
                clock: Some(clock(1)),
            },
            WaitingLine {
                title: text("共享申请：法人登记信息", "Share request: legal entities"),
                task: text("已同意，待提供", "consented, to be supplied"),
                href: None,
                who: text("市市场监督管理局", "Market Regulation Bureau"),
                clock: Some(clock(12)),
            },
        ],
        waiting_total: 3,
        waiting_fault: None,
    }
}

fn head() -> LedgerHead {
    LedgerHead {
        size: 11_392,
        root: "p3kqZ0mF6r1xJ8s2Yk0vQb1nT7wLr9aUe4dCh5gXo0E=".into(),
        checkpoint_at: Some(at("2026-11-22T01:30:00Z")),
    }
}

fn catalogue() -> CatalogueView {
    let value = |value: &str, zh: &str, en: &str, count| FacetValue {
        value: value.into(),
        title: text(zh, en),
        count: Some(count),
    };
    CatalogueView {
        asked: Asked { query: "lsq".into(), filters: vec![("sharing".into(), "conditional".into())], page: 1 },
        facets: vec![
            Facet {
                name: "sharing",
                title: text("共享类型", "Sharing"),
                values: SharingKind::ALL
                    .iter()
                    .map(|kind| FacetValue { value: kind.as_str().into(), title: kind.title(), count: Some(12) })
                    .collect(),
            },
            Facet {
                name: "class",
                title: text("资源分类", "Class"),
                values: vec![
                    value("1", "基础信息资源", "Base registries", 3),
                    value("2", "主题信息资源", "Themes", 8),
                    value("3", "部门信息资源", "Departments", 30),
                ],
            },
            Facet {
                name: "department",
                title: text("提供部门", "Department"),
                values: (0..11)
                    .map(|number| {
                        value(&format!("d{number}"), "市自然资源和规划局", "Natural Resources and Planning Bureau", 3)
                    })
                    .collect(),
            },
        ],
        hits: vec![
            Hit {
                code: "1/01/001/01".into(),
                title: text("人口基本信息", "Population"),
                summary: Some(text(
                    "户籍人口的身份、户籍与住址信息，由公安、民政、人社等部门共同维护。",
                    "Identity, household and residence of registered persons, kept by several departments.",
                )),
                department: text("市公安局", "Public Security Bureau"),
                sharing: SharingKind::Conditional,
                update_cycle: Some(text("每日", "daily")),
                columns: 21,
                published_on: Some(day("2026-11-20")),
            },
            Hit {
                code: "3/12/004/02".into(),
                title: text("兰山区行政许可信息", "Permits of Lanshan District"),
                summary: None,
                department: text("兰山区行政审批服务局", "Lanshan District Approval Service Bureau"),
                sharing: SharingKind::Unconditional,
                update_cycle: Some(text("每周", "weekly")),
                columns: 14,
                published_on: None,
            },
        ],
        total: 41,
    }
}

fn entry() -> EntryView {
    let core = [
        ("信息资源分类", "Class", "基础信息资源 / 人口"),
        ("信息资源名称", "Title", "人口基本信息"),
        ("信息资源代码", "Code", "1/01/001/01"),
        ("信息资源提供方", "Provider", "市公安局"),
        ("提供方代码", "Provider's code", "11371300004499123X"),
        ("信息资源摘要", "Summary", "户籍人口的身份、户籍与住址信息"),
        ("信息资源格式", "Format", "数据库"),
        ("信息项信息", "Columns", "21 项"),
        ("共享属性", "Sharing", "有条件共享"),
        ("开放属性", "Opening", "不予开放"),
        ("更新周期", "Update cycle", "每日"),
        ("发布日期", "Published on", "2026-11-20"),
        ("关联资源代码", "Related codes", "–"),
    ];
    EntryView {
        code: "1/01/001/01".into(),
        title: text("人口基本信息", "Population"),
        summary: Some(text(
            "户籍人口的身份、户籍与住址信息，由公安、民政、人社等部门共同维护。",
            "Identity, household and residence of registered persons.",
        )),
        sharing: SharingKind::Conditional,
        terms: vec![
            (text("共享范围", "Scope"), text("市直部门与县区", "City departments and counties")),
            (text("使用用途", "Purpose"), text("办理依申请政务服务事项", "Deciding on applications")),
        ],
        core: core.into_iter().map(|(zh, en, value)| (text(zh, en), Text { zh: value.into(), en: None })).collect(),
        columns: vec![
            ColumnLine {
                name: "citizen_id".into(),
                title: text("公民身份号码", "Citizen ID"),
                column_type: "text".into(),
                is_key: true,
                sensitivity: Some(text("身份号码", "identity number")),
                codes: None,
            },
            ColumnLine {
                name: "name".into(),
                title: text("姓名", "Name"),
                column_type: "text".into(),
                is_key: false,
                sensitivity: Some(text("姓名", "name")),
                codes: None,
            },
            ColumnLine {
                name: "sex".into(),
                title: text("性别", "Sex"),
                column_type: "text".into(),
                is_key: false,
                sensitivity: None,
                codes: Some(text("GB/T 2261.1 性别", "GB/T 2261.1 sex")),
            },
            ColumnLine {
                name: "birth_on".into(),
                title: text("出生日期", "Born on"),
                column_type: "date".into(),
                is_key: false,
                sensitivity: Some(text("出生日期", "birth date")),
                codes: None,
            },
        ],
        metrics: vec![
            MetricLine {
                rule: text("公民身份号码校验位正确", "The check digit adds up"),
                dimension: text("准确性", "accuracy"),
                passed: 5_397_001,
                rows: 5_398_112,
            },
            MetricLine {
                rule: text("姓名不为空", "A name is there"),
                dimension: text("完整性", "completeness"),
                passed: 5_398_112,
                rows: 5_398_112,
            },
        ],
        batches: vec![BatchLine {
            id: "b-20261121-003".into(),
            landed_at: at("2026-11-21T18:02:11Z"),
            rows_in: 12_004,
            accepted: 11_998,
            quarantined: 6,
        }],
        batches_total: 14,
        proof: Some(ProofLine {
            index: 86,
            id: "019aa8c1-7b1e-7d53-b9a4-0e6f3c2d1b00".into(),
            at: at("2026-11-20T02:15:00Z"),
        }),
        requestable: true,
    }
}

fn docket() -> DocketView {
    let item = |zh, en, left| Item {
        task: text(zh, en),
        subject: text("婚姻登记信息", "Marriage registrations"),
        href: "/requests/r1".into(),
        who: text("市民政局", "Civil Affairs Bureau"),
        clock: Some(clock(left)),
    };
    DocketView {
        mine: vec![item("答复共享申请", "Answer a share request", 1), item("供数", "Supply", 14)],
        others: vec![],
    }
}

fn proofs() -> Vec<ProofLink> {
    vec![
        ProofLink {
            title: text("申请部门签批", "Signed by the requester"),
            at: at("2026-11-18T06:40:00Z"),
            index: None,
            item_href: "/ledger/items/019aa8c1-0002".into(),
        },
        ProofLink {
            title: text("填写申请", "Drafted"),
            at: at("2026-11-18T01:12:00Z"),
            index: Some(11_391),
            item_href: "/ledger/items/019aa8c1-0001".into(),
        },
    ]
}

fn request() -> RequestView {
    let step = |zh, en, who: Option<(&str, &str)>, done: Option<&str>, said: Option<&str>, state| Step {
        title: text(zh, en),
        who: who.map(|(zh, en)| text(zh, en)),
        done_at: done.map(at),
        said: said.map(Into::into),
        state,
    };
    RequestView {
        id: "r-20261118-0003".into(),
        entry_title: text("婚姻登记信息", "Marriage registrations"),
        entry_href: "/catalogue/3/08/002/01".into(),
        requester: text("市自然资源和规划局", "Natural Resources and Planning Bureau"),
        provider: text("市民政局", "Civil Affairs Bureau"),
        state: text("等待答复", "Waiting for an answer"),
        outcome: Outcome::Open,
        facts: vec![
            (
                text("使用依据", "Legal basis"),
                text("《不动产登记暂行条例》第十六条", "《不动产登记暂行条例》, art. 16"),
            ),
            (text("使用场景", "Use"), text("不动产转移登记，核验夫妻共有", "Transfer of real estate: joint ownership")),
            (text("使用时限", "Until"), text("2027年11月30日", "30 Nov 2027")),
        ],
        columns: vec![
            ("citizen_id".into(), text("公民身份号码", "Citizen ID")),
            ("marital_status".into(), text("婚姻状况", "Marital status")),
        ],
        steps: vec![
            step(
                "填写申请",
                "Drafted",
                Some(("市自然资源和规划局", "Natural Resources and Planning Bureau")),
                Some("2026-11-18T01:12:00Z"),
                None,
                StepState::Done,
            ),
            step(
                "申请部门签批",
                "Signed by the requester",
                Some(("共享工作机构负责人", "head of the sharing office")),
                Some("2026-11-18T06:40:00Z"),
                Some("同意申请。"),
                StepState::Done,
            ),
            step(
                "一次性告知补正",
                "One notice of what is missing",
                Some(("市民政局", "Civil Affairs Bureau")),
                Some("2026-11-19T02:00:00Z"),
                Some("请补充使用人员范围。"),
                StepState::Done,
            ),
            step("提供部门答复", "Answer", Some(("市民政局", "Civil Affairs Bureau")), None, None, StepState::Now),
            step("供数", "Supply", None, None, None, StepState::Ahead),
        ],
        waits_for: Some(text("市民政局", "Civil Affairs Bureau")),
        clock: Some(ClockView {
            stops: vec![Stop {
                from_on: day("2026-11-19"),
                until_on: Some(day("2026-11-20")),
                reason: text("等待申请部门补正", "the requester completes the file"),
            }],
            ..clock(8)
        }),
        version: 4,
        proofs: proofs(),
        editable: true,
        acts: vec![
            Act {
                name: "consent",
                title: text("同意共享", "Consent"),
                explains: Some(text("同意后 20 个工作日内供数。", "Supply is due within 20 working days.")),
                fields: vec![],
                weight: Weight::Main,
            },
            Act {
                name: "refuse",
                title: text("不同意", "Refuse"),
                explains: None,
                fields: vec![
                    ActField {
                        name: "reasons",
                        title: text("理由", "Reasons"),
                        need: Need::Required,
                        kind: FieldKind::Lines,
                    },
                    ActField {
                        name: "legal_basis",
                        title: text("依据", "Legal basis"),
                        need: Need::Optional,
                        kind: FieldKind::Days,
                    },
                ],
                weight: Weight::Grave,
            },
        ],
        grant: Some(GrantLine { id: "g-0001".into(), until_on: day("2027-11-30") }),
    }
}

fn apply() -> ApplyView {
    ApplyView {
        entry_code: "3/08/002/01".into(),
        entry_title: text("婚姻登记信息", "Marriage registrations"),
        entry_href: "/catalogue/3/08/002/01".into(),
        columns: vec![
            ("citizen_id".into(), text("公民身份号码", "Citizen ID"), Some(text("身份号码", "identity number"))),
            ("marital_status".into(), text("婚姻状况", "Marital status"), None),
        ],
        methods: vec![("service", text("服务接口", "Service")), ("file", text("文件下载", "File"))],
        filled: Filled {
            scenario: "不动产转移登记".into(), columns: vec!["citizen_id".into()], ..Filled::default()
        },
        rewrites: None,
        faults: vec![("basis", text("请写明使用依据", "State the legal basis"))],
    }
}

fn grants() -> GrantsView {
    GrantsView {
        grants: vec![Grant {
            id: "g-0001".into(),
            entry_title: text("婚姻登记信息", "Marriage registrations"),
            entry_href: "/catalogue/3/08/002/01".into(),
            holder: text("市自然资源和规划局", "Natural Resources and Planning Bureau"),
            purpose: "不动产转移登记，核验夫妻共有".into(),
            columns: vec![
                ("citizen_id".into(), text("公民身份号码", "Citizen ID"), true),
                ("marital_status".into(), text("婚姻状况", "Marital status"), false),
            ],
            rows: vec![
                Text { zh: "division_code = 371302 | 371311".into(), en: None },
                Text::new("含受保护人员", "protected people included"),
            ],
            until_on: day("2027-11-30"),
            state: GrantState::Active,
            reason: None,
            resource: "marriages".into(),
            key: vec!["citizen_id".into()],
            calls_today: 204,
            calls_per_day: 1_000,
            steps: vec![("suspend", text("暂停共享", "suspend"))],
            version: 2,
            proofs: vec![ProofLink {
                title: text("供数 BDC-2026-0001", "Supply BDC-2026-0001"),
                at: at("2026-11-20T02:15:00Z"),
                index: Some(11_388),
                item_href: "/ledger/calls/019aa8c1-0003".into(),
            }],
            last_call_at: Some(at("2026-11-22T01:00:00Z")),
            may_make_token: true,
        }],
        new_token: Some(NewToken { grant: "g-0001".into(), token: "yihe_sample_0000000000000000000000000000".into() }),
        server: "http://127.0.0.1:8080".into(),
    }
}

fn ledger() -> LedgerView {
    LedgerView {
        head: head(),
        checkpoint: Some("yihe.example/linyi\n11392\np3kqZ0mF6r1xJ8s2Yk0vQb1nT7wLr9aUe4dCh5gXo0E=\n\n— yihe.example/linyi Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n".into()),
        verifier_keys: Some("yihe.example/linyi+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".into()),
        sm3_root: Some("66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0".into()),
        witnesses: vec![
            WitnessLine {
                name: "province".into(),
                key: "province.example+5b0e8a11+BMWX".into(),
                size: Some(11_390),
                at: Some(at("2026-11-20T08:00:05Z")),
            },
            WitnessLine { name: "audit".into(), key: "audit.example+77d1c002+BMWX".into(), size: None, at: None },
        ],
        round: Some(Round {
            state: RoundState::Alarm,
            started_at: at("2026-11-19T18:30:00Z"),
            ended_at: Some(at("2026-11-19T18:30:09Z")),
            entries: 11_204,
            rows: 11_130,
            faults_total: 1,
            silences_total: 0,
            findings: vec![text(
                "urn:yihe:batch:0199 在第 86 号登记之后被绕过系统改动，字段：rows_accepted（行 outbox 0199）",
                "urn:yihe:batch:0199 was changed behind the application's back after entry 86: rows_accepted (row outbox 0199)",
            )],
            error: None,
        }),
    }
}

fn login() -> LoginView {
    LoginView {
        next: Some("/docket".into()),
        name: "minzheng".into(),
        fault: Some(text("账号或口令不对。", "Account or passphrase is wrong.")),
        form_token: "sample".into(),
        patience: yihe_web::throttle::Patience::default(),
    }
}
