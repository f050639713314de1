//! Ready shapes of base registries (基础库模板): the fields that a registry has anywhere, with their titles, types, standards
//! and sensitivity, what its key is, which fields survive together and which say that somebody is no more.
//!
//! A shape is a document of a pack. A city's registry uses it, says which of its datasets feed which field and whom it
//! believes, and adds or replaces fields of its own. A field that nobody feeds is left out.
//!
//! ```yaml
//! kind: registry
//! use: national/population
//! department: gongan
//! members:
//!   - { dataset: household, key: citizen_id, fields: { name: name, birth_on: birth_on } }
//!   - { dataset: insured, key: citizen_id, fields: { name: name } }
//! authority: { name: [household, insured] }
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    dataset::{ColumnType, Publication, Sensitivity},
    registry::{EntityKind, Field, Member, Registry, Review, Standing},
    text::Text,
};

/// Most fields of one shape.
pub const SHAPE_FIELDS_MAX: usize = 256;

/// A ready shape of a registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryShape {
    /// Stable identifier, e.g. `national/population`; what follows the last `/` is the registry's, unless it says another.
    pub id: String,
    /// Title people read.
    pub title: Text,
    /// Standard or act that names the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// What one record stands for.
    pub entity: EntityKind,
    /// Name of the key field in the golden table.
    pub key: String,
    /// Fields in order, without the key.
    pub fields: Vec<ShapeField>,
    /// Fields whose presence says that the entity is no more what it was.
    #[serde(default, skip_serializing_if = "Standing::is_empty")]
    pub standing: Standing,
}

/// A field of a shape: all of a registry's field but whom a city believes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeField {
    /// Name in the golden table.
    pub name: String,
    /// Title people read.
    pub title: Text,
    /// Value type.
    #[serde(rename = "type", default)]
    pub column_type: ColumnType,
    /// Standard by which values are written, e.g. GB/T 2261.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standard: Option<String>,
    /// Fields with the same group come from one record together or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How sensitive a value is.
    #[serde(default)]
    pub sensitivity: Sensitivity,
}

/// A registry as a pack writes it: whole, or on a shape.
#[derive(Debug, Clone, PartialEq)]
pub enum RegistryEntry {
    /// Whole.
    Whole(Box<Registry>),
    /// On a shape.
    Use(Box<RegistryUse>),
}

/// A registry on a shape.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistryUse {
    /// The shape.
    #[serde(rename = "use")]
    pub shape: String,
    /// Identifier, if not the shape's last part.
    pub id: Option<String>,
    /// Title, if not the shape's.
    pub title: Option<Text>,
    /// Department that runs the registry.
    pub department: String,
    /// Datasets that feed it.
    pub members: Vec<Member>,
    /// Field → datasets in the order in which they are believed. A field that one dataset alone feeds needs none.
    #[serde(default)]
    pub authority: BTreeMap<String, Vec<String>>,
    /// Field → how many days a value may be older than the newest of its dataset.
    #[serde(default)]
    pub max_age_days: BTreeMap<String, u32>,
    /// Fields of the city's own, and fields that replace the shape's of the same name.
    #[serde(default)]
    pub fields: Vec<Field>,
    /// Replaces the shape's.
    pub standing: Option<Standing>,
    /// How people judge doubtful pairs.
    #[serde(default)]
    pub review: Review,
    /// See [`Registry::join_from`].
    pub join_from: Option<f64>,
    /// How the golden table stands in the catalogue.
    pub publication: Option<Publication>,
}

impl RegistryUse {
    /// The registry's identifier.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_deref().unwrap_or_else(|| self.shape.rsplit('/').next().unwrap_or(&self.shape))
    }

    /// The registry, spelled out.
    ///
    /// # Errors
    /// Everything that does not fit, in Chinese and English: no such shape; a member that feeds a field which neither the
    /// shape nor the city has; a field that several datasets feed and nobody says whom to believe; an authority or an age
    /// for a field that is not there.
    pub fn spelled_out(self, shapes: &[RegistryShape]) -> Result<Registry, Vec<Text>> {
        let Some(shape) = shapes.iter().find(|shape| shape.id == self.shape) else {
            let known: Vec<&str> = shapes.iter().map(|shape| shape.id.as_str()).collect();
            return Err(vec![Text::new(
                format!("没有基础库模板 `{}`；现有：{}", self.shape, known.join("、")),
                format!("found no registry shape `{}`, expected one of: {}", self.shape, known.join(", ")),
            )]);
        };
        let mut faults = self.unknown_fields(shape);
        let own = |name: &str| self.fields.iter().find(|field| field.name == name);
        let mut fields: Vec<Field> = Vec::new();
        for ready in &shape.fields {
            if let Some(own) = own(&ready.name) {
                fields.push(own.clone());
                continue;
            }
            let feeding: Vec<&str> = self
                .members
                .iter()
                .filter(|member| member.fields.contains_key(&ready.name))
                .map(|member| member.dataset.as_str())
                .collect();
            let authority = match (self.authority.get(&ready.name), feeding.as_slice()) {
                (Some(authority), _) => authority.clone(),
                (None, []) => continue,
                (None, [only]) => vec![(*only).to_owned()],
                (None, several) => {
                    faults.push(Text::new(
                        format!(
                            "字段 `{}` 有多个来源（{}），须在 authority 中写明数源次序",
                            ready.name,
                            several.join("、")
                        ),
                        format!(
                            "field `{}` is fed by {}, expected their order of belief under authority",
                            ready.name,
                            several.join(", ")
                        ),
                    ));
                    continue;
                }
            };
            fields.push(Field {
                name: ready.name.clone(),
                title: ready.title.clone(),
                column_type: ready.column_type,
                standard: ready.standard.clone(),
                authority,
                max_age_days: self.max_age_days.get(&ready.name).copied(),
                group: ready.group.clone(),
                sensitivity: ready.sensitivity,
            });
        }
        let of_shape = |name: &str| shape.fields.iter().any(|field| field.name == name);
        fields.extend(self.fields.iter().filter(|field| !of_shape(&field.name)).cloned());
        if !faults.is_empty() {
            return Err(faults);
        }
        let there =
            |field: &Option<String>| field.clone().filter(|name| fields.iter().any(|field| field.name == *name));
        let standing = self.standing.clone().unwrap_or_else(|| Standing {
            deceased: there(&shape.standing.deceased),
            emigrated: there(&shape.standing.emigrated),
            dissolved: there(&shape.standing.dissolved),
        });
        Ok(Registry {
            id: self.id().to_owned(),
            title: self.title.unwrap_or_else(|| shape.title.clone()),
            department: self.department,
            entity: shape.entity,
            key: shape.key.clone(),
            members: self.members,
            fields,
            standing,
            review: self.review,
            join_from: self.join_from,
            publication: self.publication,
        })
    }

    /// Names of fields that neither the shape nor the city has.
    fn unknown_fields(&self, shape: &RegistryShape) -> Vec<Text> {
        let known: Vec<&str> = shape
            .fields
            .iter()
            .map(|field| field.name.as_str())
            .chain(self.fields.iter().map(|field| field.name.as_str()))
            .collect();
        let fed = self.members.iter().flat_map(|member| {
            member.fields.keys().map(move |field| (format!("members.{}", member.dataset), field.as_str()))
        });
        let named = self.authority.keys().map(|field| ("authority".to_owned(), field.as_str()));
        let aged = self.max_age_days.keys().map(|field| ("max_age_days".to_owned(), field.as_str()));
        let all = fed.chain(named).chain(aged).filter(|(_, field)| !known.contains(field));
        all.map(|(place, field)| {
            Text::new(
                format!("{place} 的字段 `{field}` 不在模板 `{}` 中；可在 fields 中自行增加。模板有：{}", shape.id, known.join("、")),
                format!(
                    "{place} names the field `{field}`, which the shape `{}` does not have; add it under fields, or use one of: {}",
                    shape.id,
                    known.join(", ")
                ),
            )
        })
        .collect()
    }
}

impl RegistryShape {
    /// What is wrong with the shape itself, in Chinese and English.
    #[must_use]
    pub fn faults(&self) -> Vec<Text> {
        let mut faults = Vec::new();
        let count = self.fields.len();
        if !(1..=SHAPE_FIELDS_MAX).contains(&count) {
            faults.push(Text::new(
                format!("有 {count} 个字段；应为 1 至 {SHAPE_FIELDS_MAX} 个"),
                format!("found {count} fields, expected 1 to {SHAPE_FIELDS_MAX}"),
            ));
        }
        for (at, field) in self.fields.iter().enumerate() {
            if self.fields[..at].iter().any(|other| other.name == field.name) || field.name == self.key {
                faults.push(Text::new(
                    format!("字段 `{}` 重复", field.name),
                    format!("field `{}` stands twice", field.name),
                ));
            }
        }
        for (word, field) in self.standing.fields() {
            if !self.fields.iter().any(|known| known.name == field) {
                faults.push(Text::new(
                    format!("standing.{word} 指向不存在的字段 `{field}`"),
                    format!("standing.{word} names `{field}`, expected a field of the shape"),
                ));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> RegistryShape {
        serde_saphyr::from_str(
            "
id: national/population
title: { zh: 人口基础库, en: Population registry }
entity: person
key: citizen_id
fields:
  - { name: name, title: 姓名, sensitivity: name }
  - { name: sex, title: 性别, standard: GB/T 2261.1 }
  - { name: died_on, title: 死亡日期, type: date, sensitivity: hidden }
  - { name: emigrated_on, title: 迁出日期, type: date, sensitivity: hidden }
standing: { deceased: died_on, emigrated: emigrated_on }
",
        )
        .unwrap()
    }

    fn used(more: &str) -> Result<Registry, Vec<Text>> {
        let yaml = format!(
            "
use: national/population
department: gongan
members:
  - {{ dataset: household, key: citizen_id, fields: {{ name: name, sex: sex }} }}
  - {{ dataset: deaths, key: citizen_id, fields: {{ name: name, died_on: died_on }} }}
{more}"
        );
        serde_saphyr::from_str::<RegistryUse>(&yaml).unwrap().spelled_out(&[shape()])
    }

    #[test]
    fn a_city_says_who_feeds_and_whom_it_believes_and_has_the_rest() {
        let registry = used("authority: { name: [household, deaths] }").unwrap();
        assert_eq!((registry.id.as_str(), registry.key.as_str()), ("population", "citizen_id"));
        let fields: Vec<(&str, Vec<&str>)> = registry
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.authority.iter().map(String::as_str).collect()))
            .collect();
        let expected = [("name", vec!["household", "deaths"]), ("sex", vec!["household"]), ("died_on", vec!["deaths"])];
        assert_eq!(fields, expected, "nobody feeds emigrated_on");
        assert_eq!(registry.fields[1].standard.as_deref(), Some("GB/T 2261.1"));
        let standing = Standing { deceased: Some("died_on".into()), emigrated: None, dissolved: None };
        assert_eq!(registry.standing, standing);
    }

    #[test]
    fn a_city_adds_and_replaces_fields() {
        let more = "
id: people
title: 居民库
authority: { name: [household, deaths] }
max_age_days: { name: 400 }
fields:
  - { name: sex, title: 性别（公安）, authority: [household], sensitivity: hidden }
  - { name: village, title: 村, authority: [household] }
";
        let registry = used(more).unwrap();
        assert_eq!((registry.id.as_str(), registry.title.zh.as_str()), ("people", "居民库"));
        let names: Vec<&str> = registry.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["name", "sex", "died_on", "village"]);
        assert_eq!((registry.fields[0].max_age_days, registry.fields[1].sensitivity), (Some(400), Sensitivity::Hidden));
    }

    #[test]
    fn what_does_not_fit_is_refused_in_both_languages_all_at_once() {
        let refused = used("authority: { nickname: [household] }\nmax_age_days: { height: 3 }").unwrap_err();
        let zh: Vec<&str> = refused.iter().map(|fault| fault.zh.as_str()).collect();
        assert_eq!(refused.len(), 3, "{zh:?}");
        assert!(zh[0].contains("authority 的字段 `nickname` 不在模板") && zh[1].contains("`height`"), "{zh:?}");
        assert!(zh[2].contains("字段 `name` 有多个来源（household、deaths）"), "{zh:?}");
        assert!(
            refused[2].en.as_deref().unwrap().contains("is fed by household, deaths, expected their order of belief")
        );
        let line: RegistryUse = serde_saphyr::from_str("{ use: national/people, department: d, members: [] }").unwrap();
        let unknown = line.spelled_out(&[shape()]).unwrap_err();
        assert!(unknown[0].zh.contains("没有基础库模板 `national/people`；现有：national/population"));
    }

    #[test]
    fn a_shape_is_checked_by_itself() {
        let mut wrong = shape();
        wrong.fields.push(wrong.fields[0].clone());
        wrong.standing.dissolved = Some("gone".into());
        let faults = wrong.faults();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert_eq!(shape().faults(), []);
    }
}
