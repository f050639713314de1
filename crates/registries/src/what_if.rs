//! What a change of authority would alter, before it is made (一数一源变更预演).
//!
//! The members' records are gathered once and resolved under both definitions; nothing is written.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, StringArray},
    compute::cast,
    datatypes::DataType,
    error::ArrowError,
};
use futures::StreamExt;
use yihe_definitions::Registry;
use yihe_lake::LakeError;

use crate::{
    build::Builder,
    error::RegistryError,
    gather::{Gathered, Rules, gather},
    resolve::resolve,
};

/// Examples that are kept of each field.
const EXAMPLES_MAX: usize = 20;

/// What a change would do to one field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldChange {
    /// The field.
    pub field: String,
    /// Entities that would have another value.
    pub altered: u64,
    /// Entities that would lose their value.
    pub lost: u64,
    /// Entities that would get a value where they have none.
    pub gained: u64,
    /// Entities whose value would stay and come from another department.
    pub moved: u64,
    /// Entities with another value, the lowest keys first in each partition.
    pub examples: Vec<Example>,
}

/// An entity whose value would be another one. Personal data: whoever shows it masks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The entity's key.
    pub key: String,
    /// The value as it is.
    pub before: String,
    /// Dataset it is taken from.
    pub before_from: String,
    /// The value as it would be.
    pub after: String,
    /// Dataset it would be taken from.
    pub after_from: String,
}

impl FieldChange {
    /// Whether anything would be different.
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.altered + self.lost + self.gained + self.moved > 0
    }

    fn add(&mut self, other: Self) {
        self.altered += other.altered;
        self.lost += other.lost;
        self.gained += other.gained;
        self.moved += other.moved;
        let room = EXAMPLES_MAX.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// What a change would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhatIf {
    /// Golden records there are.
    pub entities: u64,
    /// One for each field, in the order of the registry.
    pub fields: Vec<FieldChange>,
}

impl Builder {
    /// Resolves a registry under its definition and under another one that differs in authorities or groups only.
    ///
    /// # Errors
    /// [`RegistryError::OtherShape`] where members or fields differ; the lake failed.
    pub async fn what_if(&self, registry: &Registry, proposed: &Registry) -> Result<WhatIf, RegistryError> {
        if !same_shape(registry, proposed) {
            return Err(RegistryError::OtherShape { registry: registry.id.clone() });
        }
        let failed =
            |action| move |source: LakeError| RegistryError::Lake { action, registry: registry.id.clone(), source };
        let inputs = self.inputs(registry).await.map_err(failed("read versions"))?;
        let rules = Arc::new(self.rules_now(registry, &inputs).await?);
        let other = Arc::new(Rules { registry: proposed.clone(), ..self.rules_now(registry, &inputs).await? });
        let gathered = Arc::new(gather(&self.lake, &rules, &inputs, None).await?);
        let both = Arc::new((rules, other));
        let work = (0..gathered.partitions).map(|partition| {
            let (both, gathered) = (Arc::clone(&both), Arc::clone(&gathered));
            tokio::task::spawn_blocking(move || compare(&both.0, &both.1, &gathered, partition))
        });
        let mut whole = WhatIf {
            entities: 0,
            fields: registry
                .fields
                .iter()
                .map(|field| FieldChange { field: field.name.clone(), ..FieldChange::default() })
                .collect(),
        };
        let mut parts = futures::stream::iter(work).buffered(self.lake.options().threads.max(1));
        while let Some(part) = parts.next().await {
            let id = || registry.id.clone();
            let part = part.map_err(|error| RegistryError::Stopped { registry: id(), detail: error.to_string() })?;
            let part = part.map_err(|source| RegistryError::Spool { registry: id(), source })?;
            whole.entities += part.entities;
            for (sum, field) in whole.fields.iter_mut().zip(part.fields) {
                sum.add(field);
            }
        }
        Ok(whole)
    }
}

fn same_shape(one: &Registry, other: &Registry) -> bool {
    let fields = |registry: &Registry| -> Vec<_> {
        registry.fields.iter().map(|field| (field.name.clone(), field.column_type)).collect()
    };
    one.id == other.id
        && one.key == other.key
        && one.entity == other.entity
        && one.members == other.members
        && fields(one) == fields(other)
}

fn compare(rules: &Rules, proposed: &Rules, gathered: &Gathered, partition: usize) -> Result<WhatIf, ArrowError> {
    let registry = &rules.registry;
    let part = gathered.partition(partition)?;
    gathered.forget(partition);
    let (now, then) = (resolve(rules, &part)?.golden, resolve(proposed, &part)?.golden);
    let keys = now.column(0).as_string::<i32>();
    let mut fields = Vec::with_capacity(registry.fields.len());
    for (index, field) in registry.fields.iter().enumerate() {
        // The key, then each field followed by where it came from.
        let texts = |column: usize| -> Result<[StringArray; 2], ArrowError> {
            let text = |batch: &arrow::array::RecordBatch| -> Result<StringArray, ArrowError> {
                Ok(cast(batch.column(column), &DataType::Utf8)?.as_string::<i32>().clone())
            };
            Ok([text(&now)?, text(&then)?])
        };
        let [value_now, value_then] = texts(1 + 2 * index)?;
        let [from_now, from_then] = texts(2 + 2 * index)?;
        let mut change = FieldChange { field: field.name.clone(), ..FieldChange::default() };
        let at = |texts: &StringArray, row: usize| texts.is_valid(row).then(|| texts.value(row).to_owned());
        for row in 0..now.num_rows() {
            match (at(&value_now, row), at(&value_then, row)) {
                (Some(before), Some(after)) if before != after => {
                    change.altered += 1;
                    if change.examples.len() < EXAMPLES_MAX {
                        change.examples.push(Example {
                            key: keys.value(row).to_owned(),
                            before,
                            before_from: at(&from_now, row).unwrap_or_default(),
                            after,
                            after_from: at(&from_then, row).unwrap_or_default(),
                        });
                    }
                }
                (Some(_), None) => change.lost += 1,
                (None, Some(_)) => change.gained += 1,
                (Some(_), Some(_)) if at(&from_now, row) != at(&from_then, row) => change.moved += 1,
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
        fields.push(change);
    }
    Ok(WhatIf { entities: now.num_rows() as u64, fields })
}
