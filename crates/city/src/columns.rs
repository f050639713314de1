//! What stands in each column: the meaning of every column name that the demonstration pack uses.
//!
//! A column is made by a plain function of the record's subject. Two datasets that have the same column for
//! the same person show the same value, because both follow from the person's number.

use yihe_definitions::{Column, ColumnType};

use crate::{
    random::{Draw, Stream},
    row::{Cell, Row},
    words,
    world::{
        AS_OF, Body, BodyKind, Person, Version, World, civil, day_number, days_from_civil, push_digits, push_number,
    },
};

/// What one record is about.
pub struct Subject<'w> {
    pub world: &'w World,
    pub dataset: &'w str,
    pub person: Option<Person>,
    pub body: Option<Body>,
    pub place: usize,
    /// Number of the record in its dataset, from 0; of one that repeats another's, the number there.
    pub serial: u64,
    /// Number of the record of another dataset that this one is about; else its own.
    pub thing: u64,
    /// Number of the entity in its dataset; the same in every period.
    pub entity: u64,
    /// 0 for the latest period.
    pub period: u64,
    pub version: Version,
    /// Draws of this dataset.
    pub stream: Stream,
    /// Days since 1970 of [`AS_OF`].
    pub today: i32,
}

/// Makes one cell.
pub type Make = fn(&Subject<'_>, &mut Row);

impl Subject<'_> {
    /// Draws of this record for one purpose; the same for both versions.
    #[inline]
    fn draw(&self, salt: u64) -> Draw {
        self.stream.at(self.serial ^ (salt << 48))
    }

    #[inline]
    fn entity_draw(&self, salt: u64) -> Draw {
        self.stream.at(self.entity ^ (salt << 48) ^ (1 << 63))
    }

    /// The day on which the record's matter began, one to ten years ago.
    #[inline]
    fn begin(&self) -> i32 {
        self.today - days(self.draw(90).between(380, 3_650))
    }

    #[inline]
    fn person(&self) -> Person {
        if let Some(person) = self.person {
            person
        } else if let Some(body) = &self.body {
            self.world.representative(body, self.version)
        } else {
            let (first, last) = self.world.of_age(20, 70);
            self.world.person(first + self.draw(91).below(last - first))
        }
    }

    #[inline]
    fn body(&self) -> Body {
        self.body.unwrap_or_else(|| {
            let (first, last) = self.world.bodies_of(BodyKind::Enterprise);
            self.world.body(first + self.entity_draw(92).below((last - first).max(1)))
        })
    }

    /// The person's age in years at the end of the extracts' year.
    fn age(&self) -> i64 {
        i64::from(AS_OF.year() - self.person().birth_year)
    }

    fn village(&self) -> usize {
        let villages = &self.world.villages;
        villages[usize::try_from(self.entity_draw(93).below(villages.len() as u64)).expect("below the number")]
    }

    fn of(&self, salt: u64, list: &[&'static str]) -> &'static str {
        self.draw(salt).of(list)
    }
}

#[inline]
fn days(count: i64) -> i32 {
    i32::try_from(count).expect("a few thousand days")
}

#[inline]
fn id(row: &mut Row, code: &[u8]) {
    row.push_str(std::str::from_utf8(code).expect("digits and capitals"));
}

#[inline]
fn decimal(row: &mut Row, unscaled: i64, scale: u8) {
    row.push(Cell::Decimal { unscaled, scale });
}

#[inline]
fn numbered(row: &mut Row, prefix: &str, number: u64, width: usize) {
    row.push_with(|into| {
        into.push_str(prefix);
        push_digits(into, number, width);
    });
}

/// The function that makes a column of a dataset; `None` when nobody has taught the generator the name.
#[expect(clippy::too_many_lines, reason = "a dictionary: one line or two per column name")]
pub fn make(dataset: &str, column: &Column) -> Option<Make> {
    if matches!(column.column_type, ColumnType::Boolean | ColumnType::Float) {
        return None;
    }
    let made: Make = match (dataset, column.name.as_str()) {
        // ── persons ──
        (_, "citizen_id") => |s, row| id(row, &s.person().id),
        (_, "name") => |s, row| row.push_with(|into| s.world.person_name(&s.person(), into)),
        (_, "sex") => |s, row| row.push_str(if s.person().is_woman { "2" } else { "1" }),
        (_, "nation") => |s, row| {
            let mut draw = s.world.facts(s.person().index, 4, Version::Current);
            if draw.chance(985_000) {
                row.push_str("01");
            } else {
                numbered(row, "", 2 + draw.below(55), 2);
            }
        },
        (_, "birth_on") => |s, row| row.push(Cell::Day(s.person().birth)),
        (_, "household_no") => |s, row| numbered(row, "3713", s.person().index / 3, 9),
        (_, "household_relation") => |s, row| row.push_str(s.of(1, words::RELATIONS)),
        (_, "household_division") => {
            |s, row| row.push_str(&s.world.places[s.world.village(s.person().index, Version::Former)].code)
        }
        (_, "household_address") => {
            |s, row| row.push_with(|into| s.world.home(s.person().index, true, Version::Current, into))
        }
        (_, "residence_division") => {
            |s, row| row.push_str(&s.world.places[s.world.village(s.person().index, s.version)].code)
        }
        (_, "residence_address") => {
            |s, row| row.push_with(|into| s.world.home(s.person().index, false, s.version, into))
        }
        (_, "mobile") => |s, row| {
            let given = !s.draw(2).chance(40_000);
            row.push_with(|into| {
                if given {
                    s.world.mobile(s.person().index, s.version, into);
                }
            });
        },
        (_, "marital_status") => |s, row| {
            let mut draw = s.world.facts(s.person().index, 5, s.version);
            row.push_str(if s.age() < 22 {
                "10"
            } else {
                draw.of(&["20", "20", "20", "20", "20", "20", "10", "40", "30"])
            });
        },
        (_, "education") => {
            |s, row| row.push_str(s.world.facts(s.person().index, 6, Version::Current).of(words::EDUCATION))
        }
        (_, "died_on") => |s, row| row.push(Cell::Day(s.today - days(s.draw(3).between(5, 2_400)))),
        (_, "emigrated_on") => |s, row| row.push(Cell::Day(s.today - days(s.draw(115).between(5, 3_600)))),
        (_, "destination") => |s, row| row.push_str(s.of(116, &["省外迁移", "省外迁移", "省内迁移", "出国（境）定居"])),
        (_, "repaired_on") => |s, row| {
            let repaired = s.draw(117).chance(350_000);
            row.push(if repaired { Cell::Day(s.begin() + days(s.draw(118).between(100, 360))) } else { Cell::Missing });
        },
        (_, "died_place") => |s, row| row.push_str(s.of(4, &["医疗机构", "家中", "养老服务机构", "其他场所"])),
        (_, "cause_code") => |s, row| row.push_str(s.of(5, words::CAUSES)),
        (_, "changed_on") => |s, row| {
            let today = s.today - days(s.draw(6).between(3, 300));
            row.push(Cell::Day(if s.version == Version::Current { today } else { today - 500 }));
        },
        (_, "spouse_name") => |s, row| {
            let (first, last) = s.world.of_age(22, 80);
            let spouse = s.world.person(first + s.draw(7).below(last - first));
            row.push_with(|into| s.world.person_name(&spouse, into));
        },
        (_, "spouse_id" | "mother_id" | "father_id") => |s, row| {
            let (first, last) = s.world.of_age(22, 60);
            id(row, &s.world.person(first + s.draw(8).below(last - first)).id);
        },
        (_, "hospital") => |s, row| row.push_str(s.of(9, words::HOSPITALS)),
        (_, "diagnosis_code") => |s, row| row.push_str(s.of(112, words::DIAGNOSES)),
        (_, "weight_g") => |s, row| row.push(Cell::Integer(s.draw(10).between(2_300, 4_300))),
        (_, "blood_type") => {
            |s, row| row.push_str(s.world.facts(s.person().index, 7, Version::Current).of(words::BLOOD))
        }
        (_, "height_cm") => |s, row| decimal(row, s.draw(11).between(1_420, 1_900), 1),
        (_, "weight_kg") => |s, row| decimal(row, s.draw(12).between(400, 1_050), 1),
        (_, "chronic_code") => |s, row| {
            let ill = s.draw(13).chance(180_000);
            row.push_str(if ill { s.of(14, words::DIAGNOSES) } else { "" });
        },
        (_, "person_no") => |s, row| numbered(row, "37", s.entity, 10),
        (_, "employer_code") => |s, row| {
            let (first, last) = s.world.bodies_of(BodyKind::Enterprise);
            let mut draw = s.world.facts(s.person().index, 8, Version::Current);
            id(row, &s.world.body(first + draw.below(last - first)).code);
        },
        (_, "insured_since") => |s, row| {
            let since = s.person().birth + days(s.draw(15).between(6_600, 9_000));
            row.push(Cell::Day(since.min(s.today - 30)));
        },
        (_, "insurance_type") => |s, row| row.push_str(s.of(16, &["390", "390", "390", "310"])),
        (_, "title_rank") => |s, row| row.push_str(s.of(17, words::TITLES)),
        (_, "school") => |s, row| row.push_str(s.of(18, words::SCHOOLS)),
        (_, "grade") => |s, row| row.push(Cell::Integer((s.age() - 6).clamp(1, 12))),
        (_, "guardian_name") => |s, row| {
            let (first, last) = s.world.of_age(28, 55);
            let guardian = s.world.person(first + s.draw(19).below(last - first));
            row.push_with(|into| s.world.person_name(&guardian, into));
        },
        (_, "guardian_mobile") => |s, row| row.push_with(|into| s.world.mobile(s.person().index ^ 1, s.version, into)),
        (_, "enrolled_on") => |s, row| {
            let years = (s.age() - 6).clamp(0, 11) % 6;
            row.push(Cell::Day(day_number(jiff::civil::date(2026, 9, 1)) - days(years * 365)));
        },
        (_, "employed_on") => |s, row| row.push(Cell::Day(s.person().birth + days(s.draw(20).between(7_700, 8_900)))),
        (_, "disability_type") => |s, row| numbered(row, "", 1 + s.draw(21).below(7), 1),
        (_, "disability_level") => |s, row| row.push(Cell::Integer(s.draw(22).between(1, 4))),
        (_, "service_from") => |s, row| row.push(Cell::Day(s.person().birth + days(s.draw(23).between(6_600, 7_300)))),
        (_, "service_to") => |s, row| row.push(Cell::Day(s.person().birth + days(s.draw(24).between(7_400, 7_900)))),
        (_, "licence_class") => |s, row| row.push_str(s.of(25, words::DRIVING)),
        (_, "first_issued_on") => |s, row| row.push(Cell::Day(s.begin())),
        (_, "points") => {
            |s, row| row.push(Cell::Integer(if s.draw(26).chance(800_000) { 0 } else { s.draw(27).between(1, 11) }))
        }
        (_, "family_size") => |s, row| row.push(Cell::Integer(s.draw(28).between(1, 5))),
        (_, "monthly_amount") => |s, row| decimal(row, s.draw(29).between(20_000, 180_000), 2),
        (
            _,
            "approved_on" | "issued_on" | "registered_on" | "accepted_on" | "started_on" | "opened_on" | "filed_on"
            | "listed_on",
        ) => |s, row| row.push(Cell::Day(s.begin())),
        (_, "launched_on" | "submitted_on" | "settled_on" | "declared_on" | "decided_on" | "built_on") => {
            |s, row| row.push(Cell::Day(s.begin() + 40))
        }
        (_, "admitted_on") => |s, row| row.push(Cell::Day(s.begin())),
        (_, "discharged_on") => |s, row| row.push(Cell::Day(s.begin() + days(s.draw(30).between(1, 21)))),
        (_, "valid_until") => |s, row| row.push(Cell::Day(s.begin() + 3_650)),
        (_, "expires_on") => |s, row| row.push(Cell::Day(s.begin() + 365)),
        ("road_transport_vehicles", "inspected_on") => {
            |s, row| row.push(Cell::Day(s.begin() + days(s.draw(31).between(0, 360))))
        }
        (_, "inspected_on") => |s, row| row.push(Cell::Day(s.today - days(s.draw(31).between(1, 700)))),
        (_, "closed_on" | "finished_on") => |s, row| {
            let done = s.draw(32).chance(850_000);
            row.push(if done { Cell::Day(s.begin() + days(s.draw(33).between(15, 370))) } else { Cell::Missing });
        },
        (_, "paid_on") => |s, row| {
            let (year, month) = month_back(s.today, s.period);
            row.push(Cell::Day(days_from_civil(year, month, 1) + days(s.draw(34).between(0, 24))));
        },
        (_, "bank_account") => |s, row| {
            row.push_with(|into| {
                into.push_str(s.of(35, &["622848", "621700", "622202", "621226", "623094"]));
                push_digits(into, s.entity_draw(36).below(10_000_000_000_000), 13);
            });
        },
        (_, "case_type") => |s, row| row.push_str(s.of(37, words::CASES)),
        (_, "lawyer" | "inspector") => |s, row| {
            let (first, last) = s.world.of_age(25, 60);
            let other = s.world.person(first + s.draw(38).below((last - first).min(400)));
            row.push_with(|into| s.world.person_name(&other, into));
        },
        // ── numbers of records ──
        (_, "permit_no") => |s, row| numbered(row, "JZ3713", s.serial, 8),
        (_, "certificate_no") => |s, row| numbered(row, "Z37", s.serial, 9),
        (_, "settlement_no") => |s, row| numbered(row, "YB", s.serial, 14),
        (_, "account_no") => |s, row| numbered(row, "GJJ", s.entity, 10),
        (_, "case_no") => |s, row| numbered(row, "FY", s.serial, 10),
        (_, "licence_no") => |s, row| numbered(row, "JY13713", s.serial, 9),
        (_, "declaration_no") => |s, row| numbered(row, "SB", s.serial, 14),
        (_, "record_no") => |s, row| numbered(row, "JC2026", s.serial, 10),
        (_, "trip_no") => |s, row| numbered(row, "T", s.serial, 14),
        (_, "card_no") => |s, row| numbered(row, "2760", s.draw(39).below(2_000_000), 12),
        (_, "meter_no") => |s, row| numbered(row, "", 1_000_000_000 + s.entity, 10),
        (_, "project_no") => |s, row| numbered(row, "3713002026", s.serial, 8),
        (_, "venue_no") => |s, row| numbered(row, "CG", s.serial, 6),
        (_, "system_no") => |s, row| numbered(row, "XT", s.serial, 5),
        (_, "document_no") => |s, row| {
            row.push_with(|into| {
                into.push_str("临沂");
                into.push_str(match s.dataset {
                    "administrative_penalties" => "罚字〔",
                    "credit_lists" => "信名〔",
                    _ => "许字〔",
                });
                push_number(into, s.draw(40).between(2018, 2026));
                into.push('〕');
                push_digits(into, s.serial, 8);
                into.push('号');
            });
        },
        (_, "certificate_id") => |s, row| {
            let issuer = s.world.body(s.world.bodies_of(BodyKind::Public).0).code;
            let kind = ["11100000000013338W001", "11100000000014604F022", "11100000MB0143028R103"]
                [usize::try_from(s.draw(41).below(3)).expect("below 3")];
            let issuer = std::str::from_utf8(&issuer).expect("digits and capitals");
            let mut serial = String::with_capacity(16);
            push_digits(&mut serial, s.serial, 16);
            let parts = [kind, issuer, &serial, "001"];
            let check = yihe_vocabulary::certificate_id::check_character(&parts.map(str::as_bytes));
            row.push_with(|into| {
                into.push_str(yihe_vocabulary::certificate_id::ROOT);
                for part in parts {
                    into.push('.');
                    into.push_str(part);
                }
                into.push('.');
                into.push(char::from(check));
            });
        },
        (_, "item_code") => |s, row| {
            row.push_with(|into| {
                into.push_str(std::str::from_utf8(&s.body().code).expect("digits and capitals"));
                into.push_str("337");
                into.push_str(s.of(42, &["06", "02", "01"]));
                push_digits(into, s.draw(43).below(40_000), 5);
                push_digits(into, s.draw(44).below(20), 3);
            });
        },
        (_, "unit_no") => |s, row| {
            let unit = s.thing;
            let mut draw = Stream::new(s.world.seed, "real_estate_unit").at(unit);
            let county = s.world.places
                [s.world.villages[usize::try_from(draw.below(s.world.villages.len() as u64)).expect("below")]]
            .county;
            row.push_with(|into| {
                into.push_str(std::str::from_utf8(&county).expect("digits"));
                push_digits(into, 1 + unit / 10_000_000, 3);
                push_digits(into, 1 + draw.below(60), 3);
                into.push_str("GB");
                push_digits(into, 1 + unit / 10_000 % 1_000, 5);
                into.push('F');
                push_digits(into, unit % 10_000, 8);
            });
        },
        (_, "parcel_code") => |s, row| {
            row.push_with(|into| {
                into.push_str(&s.world.places[s.village()].code[..6]);
                push_digits(into, 1 + s.serial / 90_000, 6);
                into.push_str("GB");
                push_digits(into, 1 + s.serial % 90_000, 5);
            });
        },
        (_, "right_no") => |s, row| {
            row.push_with(|into| {
                into.push_str("鲁（2026）临沂市不动产权第");
                push_digits(into, s.serial, 8);
                into.push('号');
            });
        },
        (_, "address_code") => |s, row| {
            row.push_with(|into| {
                into.push_str(&s.world.places[s.village()].code);
                push_digits(into, s.serial, 12);
            });
        },
        (_, "plate_no") => |s, row| {
            row.push_with(|into| {
                into.push_str("鲁Q");
                let mut number = (s.serial * 7_654_321 + 1_234_567) % 45_435_424;
                for _ in 0..5 {
                    into.push(char::from(
                        b"0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"[usize::try_from(number % 34).expect("below 34")],
                    ));
                    number /= 34;
                }
            });
        },
        // ── bodies ──
        (_, "credit_code") => |s, row| id(row, &s.body().code),
        ("administrative_licences" | "administrative_penalties", "party_code") => |s, row| id(row, &s.body().code),
        (_, "party_name" | "org_name") => |s, row| row.push_with(|into| s.world.body_name(&s.body(), s.version, into)),
        (_, "org_type") => |s, row| {
            let body = s.body();
            row.push_str(match body.kind {
                BodyKind::Enterprise => {
                    s.world.body_facts(body.index, 4).of(&["11", "11", "11", "11", "12", "15", "17"])
                }
                BodyKind::Individual => "19",
                BodyKind::Public => "32",
                BodyKind::Society if body.code[1] == b'1' => "51",
                BodyKind::Society => "52",
            });
        },
        (_, "legal_person_name") => {
            |s, row| row.push_with(|into| s.world.person_name(&s.world.representative(&s.body(), s.version), into))
        }
        (_, "legal_person_id") => |s, row| id(row, &s.world.representative(&s.body(), s.version).id),
        (_, "established_on") => |s, row| row.push(Cell::Day(established(s))),
        (_, "dissolved_on") => |s, row| {
            row.push(if dissolved(s) { Cell::Day(established(s) + 500) } else { Cell::Missing });
        },
        (_, "reg_status") => |s, row| row.push_str(if dissolved(s) { "3" } else { "1" }),
        (_, "reg_address") => |s, row| {
            let body = s.body();
            let mut draw = s.world.body_facts_of(body.index, 5, s.version);
            row.push_with(|into| {
                into.push_str(&s.world.places[body.place].address);
                into.push_str(draw.of(words::ROADS));
                push_number(into, draw.between(1, 399));
                into.push('号');
            });
        },
        ("enterprise_registrations" | "public_institutions" | "social_organisations", "division") => {
            |s, row| row.push_str(&s.world.places[s.body().place].code[..6])
        }
        ("budget_execution" | "information_systems", "dept_code") | (_, "authority_code" | "issuer_code") => {
            |s, row| {
                let (first, last) = s.world.bodies_of(BodyKind::Public);
                id(row, &s.world.body(first + s.draw(45).below((last - first).clamp(1, 40))).code);
            }
        }
        (_, "capital") => |s, row| {
            let mut draw = s.world.body_facts(s.body().index, 6);
            let whole = [3, 5, 10, 50, 100, 200, 500, 1_000, 3_000][usize::try_from(draw.below(9)).expect("below 9")];
            decimal(row, whole * 100, 2);
        },
        (_, "industry") => |s, row| row.push_str(s.world.trade(&s.body()).0),
        (_, "business_scope") => |s, row| row.push_str(s.world.trade(&s.body()).2),
        (_, "phone") => |s, row| {
            let mut draw = s.world.body_facts_of(s.body().index, 7, s.version);
            let given = !s.draw(46).chance(60_000);
            row.push_with(|into| {
                if given {
                    into.push_str("0539");
                    push_digits(into, 1_000_000 + draw.below(8_999_999), 7);
                }
            });
        },
        (_, "employees") => |s, row| row.push(Cell::Integer(s.world.body_facts(s.body().index, 8).between(1, 400))),
        (_, "staffing") => |s, row| row.push(Cell::Integer(s.draw(47).between(5, 800))),
        (_, "taxpayer_type") => |s, row| row.push_str(s.of(48, words::TAXPAYERS)),
        (_, "licence_type") if dataset == "food_licences" => |s, row| row.push_str(s.of(49, words::FOOD)),
        (_, "licence_type") => |s, row| row.push_str(s.of(49, words::LICENCES)),
        (_, "report_year" | "subsidy_year") => {
            |s, row| row.push(Cell::Integer(2025 - i64::try_from(s.period).expect("a few years")))
        }
        (_, "tax_type") => |s, row| row.push_str(s.of(50, words::TAXES)),
        (_, "list_type") => |s, row| row.push_str(s.of(51, words::LISTS)),
        ("credit_lists", "reason_text") => |s, row| row.push_str(s.of(52, words::CREDIT_REASONS)),
        (_, "reason_text") => |s, row| row.push_str(s.of(52, words::OFFENCES)),
        (_, "basis") => |s, row| row.push_str(s.of(53, words::STATUTES)),
        (_, "penalty_type") => |s, row| numbered(row, "", 1 + s.draw(54).below(5), 1),
        (_, "document_name") => |s, row| row.push_str(s.of(55, words::DOCUMENTS)),
        (_, "pollutant") => |s, row| row.push_str(s.of(56, words::POLLUTANTS)),
        (_, "result") => |s, row| row.push_str(s.of(57, &["1", "1", "1", "1", "2", "2", "3", "4"])),
        (_, "finding") => {
            |s, row| row.push_str(if s.draw(58).chance(600_000) { "" } else { s.of(59, words::FINDINGS) })
        }
        (_, "certificate_type") => |s, row| {
            row.push_str(
                s.of(60, &["居民身份证", "营业执照", "结婚证", "不动产权证书", "食品经营许可证", "道路运输证"]),
            );
        },
        (_, "holder_name") => |s, row| row.push_with(|into| s.world.person_name(&s.person(), into)),
        (_, "holder_code") => |s, row| id(row, &s.person().id),
        (_, "holder_code_type") => |_, row| row.push_str("111"),
        (_, "cert_status") => |s, row| {
            let now = s.of(61, &["01", "01", "01", "01", "01", "01", "04", "05", "03"]);
            row.push_str(if s.version == Version::Current { now } else { "01" });
        },
        // ── places ──
        ("division_register" | "statistical_divisions" | "village_profiles" | "place_geography", "division_code") => {
            |s, row| row.push_str(&s.world.places[s.place].code)
        }
        (_, "division_code") => |s, row| row.push_str(&s.world.places[s.village()].code),
        (_, "place_name") => |s, row| row.push_str(&s.world.places[s.place].name),
        (_, "parent_code") => |s, row| row.push_str(&s.world.places[s.place].parent),
        (_, "level") => |s, row| row.push(Cell::Integer(i64::from(s.world.places[s.place].level))),
        (_, "kind") => |s, row| {
            row.push_str(match s.world.places[s.place].kind.as_str() {
                "community" => "111",
                "street" => "112",
                "town" => "121",
                "township" => "210",
                "village" => "220",
                _ => "123",
            });
        },
        (_, "status") => |_, row| row.push_str("1"),
        (_, "postal_code") => |s, row| numbered(row, "276", 10 * s.draw(62).below(80), 3),
        (_, "households") => |s, row| row.push(Cell::Integer(place_draw(s, 1).between(120, 1_800))),
        (_, "residents") => |s, row| row.push(Cell::Integer(place_draw(s, 1).between(120, 1_800) * 3 + 17)),
        (_, "area_km2") => |s, row| decimal(row, place_draw(s, 2).between(80, 4_200), 2),
        ("place_geography", "longitude") => {
            |s, row| decimal(row, place_draw(s, 3).between(117_420_000, 119_180_000), 6)
        }
        ("place_geography", "latitude") => |s, row| decimal(row, place_draw(s, 4).between(34_380_000, 36_210_000), 6),
        (_, "longitude") => |s, row| decimal(row, s.draw(63).between(117_420_000, 119_180_000), 6),
        (_, "latitude") => |s, row| decimal(row, s.draw(64).between(34_380_000, 36_210_000), 6),
        (_, "road") => |s, row| row.push_str(s.of(65, words::ROADS)),
        (_, "house_no") => |s, row| {
            row.push_with(|into| {
                push_number(into, s.draw(66).between(1, 599));
                into.push('号');
            });
        },
        (_, "address" | "location") => {
            |s, row| row.push_with(|into| s.world.house(s.village(), &mut s.entity_draw(67), into))
        }
        (_, "land_use") => |s, row| row.push_str(s.of(68, words::LAND)),
        (_, "area_m2") => |s, row| decimal(row, s.draw(69).between(3_500, 900_000), 2),
        (_, "right_type") => |s, row| row.push_str(s.of(70, words::RIGHTS)),
        (_, "usage_type") => |s, row| {
            row.push_str(s.of(if s.version == Version::Current { 71 } else { 113 }, words::USAGES));
        },
        (_, "floors") => |s, row| row.push(Cell::Integer(s.draw(72).between(1, 34))),
        (_, "share_percent") => |s, row| decimal(row, if s.draw(73).chance(600_000) { 10_000 } else { 5_000 }, 2),
        (_, "village") => {
            |s, row| row.push_str(&s.world.places[s.world.village(s.person().index, Version::Former)].name)
        }
        ("macro_indicators", "division") => |s, row| {
            let counties = s.world.places.iter().filter(|place| place.level <= 3).count() as u64;
            let index = (s.entity / words::INDICATORS.len() as u64) % counties;
            row.push_str(&s.world.places[usize::try_from(index).expect("below the number")].code);
        },
        ("construction_projects", "division") => |s, row| row.push_str(&s.world.places[s.village()].code[..6]),
        (_, "division") => {
            |s, row| row.push_str(&s.world.places[s.world.village(s.person().index, Version::Former)].code[..6])
        }
        // ── money ──
        (_, "base_amount") => |s, row| decimal(row, s.entity_draw(74).between(420_000, 2_100_000), 2),
        (_, "personal_amount") => |s, row| decimal(row, s.entity_draw(74).between(420_000, 2_100_000) * 8 / 100, 2),
        (_, "employer_amount") => |s, row| decimal(row, s.entity_draw(74).between(420_000, 2_100_000) * 16 / 100, 2),
        (_, "total_amount") => |s, row| decimal(row, total(s), 2),
        (_, "fund_amount") => |s, row| decimal(row, total(s) * 7 / 10, 2),
        (_, "self_amount") => |s, row| decimal(row, total(s) - total(s) * 7 / 10, 2),
        (_, "balance") => |s, row| decimal(row, s.draw(75).between(10_000, 20_000_000), 2),
        (_, "monthly_deposit") => |s, row| decimal(row, s.entity_draw(76).between(20_000, 400_000), 2),
        ("fund_contributions", "amount") => |s, row| decimal(row, s.entity_draw(76).between(20_000, 400_000), 2),
        ("electricity_bills", "amount") => |s, row| decimal(row, kwh(s) * 5_469 / 10_000, 2),
        ("electricity_bills", "kwh") => |s, row| decimal(row, kwh(s), 2),
        ("water_gas_bills", "amount") => |s, row| decimal(row, s.draw(77).between(200, 9_000) * 345 / 100, 2),
        ("water_gas_bills", "volume_m3") => |s, row| decimal(row, s.draw(77).between(200, 9_000), 2),
        ("farm_subsidies", "amount") => |s, row| decimal(row, s.entity_draw(78).between(30, 2_000) * 130, 2),
        ("farm_subsidies", "area_mu") => |s, row| decimal(row, s.entity_draw(78).between(30, 2_000), 2),
        (_, "amount") => |s, row| decimal(row, s.draw(79).between(1, 500) * 10_000, 2),
        (_, "utility") => |s, row| row.push_str(words::UTILITIES[usize::try_from(s.entity % 2).expect("0 or 1")]),
        ("scenic_visits", "revenue") => |s, row| decimal(row, s.draw(105).between(20, 18_000) * 4_200, 2),
        (_, "assets" | "revenue" | "output_amount" | "contract_amount" | "export_amount" | "taxable_amount") => {
            |s, row| decimal(row, s.draw(80).between(1_000, 90_000_000), 2)
        }
        (_, "tax_amount") => |s, row| decimal(row, s.draw(80).between(1_000, 90_000_000) * 3 / 100, 2),
        (_, "energy_tce") => |s, row| decimal(row, s.draw(81).between(1_000, 900_000), 2),
        (_, "budget_amount") => |s, row| decimal(row, s.entity_draw(82).between(1_000_000, 900_000_000), 2),
        (_, "executed_amount") => |s, row| decimal(row, s.entity_draw(82).between(1_000_000, 900_000_000) / 12, 2),
        (_, "fare") => |s, row| decimal(row, if s.draw(83).chance(700_000) { 100 } else { 200 }, 2),
        // ── time and measurements ──
        ("macro_indicators", "period") => |s, row| {
            row.push_with(|into| {
                // The latest finished quarter is the third of the extracts' year.
                let quarter = 4 * 2026 + 2 - i64::try_from(s.period).expect("a few quarters");
                push_number(into, quarter / 4);
                into.push('Q');
                push_number(into, quarter % 4 + 1);
            });
        },
        (_, "period") => |s, row| {
            row.push_with(|into| {
                let (year, month) = month_back(s.today, s.period);
                push_digits(into, u64::from(year.unsigned_abs()), 4);
                push_digits(into, u64::from(month.unsigned_abs()), 2);
            });
        },
        (_, "indicator_code") => |s, row| numbered(row, "A", s.entity % words::INDICATORS.len() as u64 + 1, 3),
        (_, "indicator_name") => |s, row| row.push_str(indicator(s).0),
        (_, "unit") => |s, row| row.push_str(indicator(s).1),
        (_, "value") => |s, row| {
            let value = s.draw(84).between(1_000, 90_000_000);
            // What was published first differs from what is final by less than a hundredth.
            let first = value + value / 1_000 * s.draw(114).between(-9, 9);
            decimal(row, if s.version == Version::Current { value } else { first }, 4);
        },
        (_, "yoy_percent") => |s, row| decimal(row, s.draw(85).between(-800, 1_500), 2),
        (_, "release_status") => |s, row| row.push_str(s.of(86, words::RELEASES)),
        (_, "budget_code") => |s, row| numbered(row, "YS", s.entity, 8),
        (_, "subject_name") => |s, row| row.push_str(s.entity_draw(87).of(words::BUDGET_SUBJECTS)),
        (_, "station_code") => |s, row| numbered(row, "3713A", s.entity, 3),
        (_, "observed_at") => |s, row| {
            row.push(Cell::LocalSecond(i64::from(s.today) * 86_400 - i64::try_from(s.period).expect("hours") * 3_600));
        },
        (_, "boarded_at") => |s, row| {
            let second = i64::from(s.today) * 86_400 - s.draw(88).between(1, 60 * 86_400);
            row.push(Cell::LocalSecond(second));
        },
        (_, "visited_on") => |s, row| row.push(Cell::Day(s.today - i32::try_from(s.period).expect("days") - 1)),
        (_, "pm25" | "o3") => |s, row| decimal(row, s.draw(89).between(80, 1_500), 1),
        (_, "pm10") => |s, row| decimal(row, s.draw(89).between(80, 1_500) * 17 / 10, 1),
        (_, "so2" | "no2") => |s, row| decimal(row, s.draw(94).between(20, 600), 1),
        (_, "aqi") => |s, row| row.push(Cell::Integer(s.draw(89).between(80, 1_500) * 14 / 100 + 12)),
        (_, "temperature_c") => |s, row| decimal(row, s.draw(95).between(-80, 370), 1),
        (_, "rainfall_mm") => {
            |s, row| decimal(row, if s.draw(96).chance(900_000) { 0 } else { s.draw(97).between(1, 400) }, 1)
        }
        (_, "wind_ms") => |s, row| decimal(row, s.draw(98).between(0, 120), 1),
        (_, "level_m") => {
            |s, row| decimal(row, s.entity_draw(99).between(5_000, 20_000) + s.draw(99).between(0, 400), 2)
        }
        (_, "storage_m3") => |s, row| decimal(row, s.draw(100).between(10_000, 90_000_000), 2),
        // ── the rest ──
        (_, "line_no") => |s, row| {
            row.push_with(|into| {
                into.push('K');
                push_number(into, s.draw(101).between(1, 128));
                into.push('路');
            });
        },
        (_, "stop_name") => |s, row| row.push_str(s.of(102, words::STOPS)),
        (_, "vehicle_type") => |s, row| row.push_str(s.of(103, words::VEHICLES)),
        (_, "project_name") => |s, row| {
            row.push_with(|into| {
                into.push_str(&s.world.places[s.village()].name);
                into.push_str(s.of(104, words::PROJECTS));
                into.push_str("项目");
            });
        },
        (_, "scenic_code") => |s, row| numbered(row, "A3713", s.entity, 3),
        (_, "visitors") => |s, row| row.push(Cell::Integer(s.draw(105).between(20, 18_000))),
        (_, "venue_name") => |s, row| {
            row.push_with(|into| {
                into.push_str(&s.world.places[s.village()].address["山东省临沂市".len()..]);
                into.push_str(s.of(106, words::VENUES));
            });
        },
        (_, "system_name") => |s, row| row.push_str(s.of(107, words::SYSTEMS)),
        (_, "system_status") => |s, row| row.push_str(s.of(108, &["1", "1", "1", "1", "1", "1", "2", "3", "4", "5"])),
        (_, "users") => |s, row| row.push(Cell::Integer(s.draw(109).between(3, 90_000))),
        _ => return None,
    };
    Some(made)
}

fn total(s: &Subject<'_>) -> i64 {
    s.draw(110).between(5_000, 3_000_000)
}

fn kwh(s: &Subject<'_>) -> i64 {
    s.draw(111).between(1_000, 60_000)
}

fn indicator(s: &Subject<'_>) -> (&'static str, &'static str) {
    words::INDICATORS[usize::try_from(s.entity % words::INDICATORS.len() as u64).expect("below the length")]
}

fn established(s: &Subject<'_>) -> i32 {
    s.today - days(s.world.body_facts(s.body().index, 9).between(700, 9_000))
}

fn dissolved(s: &Subject<'_>) -> bool {
    s.world.body_facts(s.body().index, 10).chance(70_000)
}

fn place_draw(s: &Subject<'_>, salt: u64) -> Draw {
    Stream::new(s.world.seed, "place").at(s.place as u64 ^ (salt << 48))
}

/// Year and month of the month `back` months before the last finished one.
fn month_back(today: i32, back: u64) -> (i32, i32) {
    let (year, month, _) = civil(today);
    let months = year * 12 + month - 2 - i32::try_from(back).expect("a few months");
    (months.div_euclid(12), months.rem_euclid(12) + 1)
}
