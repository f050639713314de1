//! Where a candidate pair is: a place and a name that may stand in an address, for its keys may not.

use futures::StreamExt;
use yihe_definitions::Registry;
use yihe_lake::Scan;

use crate::{
    build::Builder,
    candidates::candidates_table,
    error::RegistryError,
    identity::is_entity_id,
    review::{Pair, read},
};

impl Builder {
    /// The durable name of the entity that stands under a key in the golden table.
    #[must_use]
    pub fn entity_name(&self, registry: &Registry, key: &str) -> String {
        if is_entity_id(key) { key.to_owned() } else { self.secret.entity_id(&registry.id, key) }
    }

    /// The candidate pair of a delivered row and the entity of this name. `None`: it is not among the candidates.
    ///
    /// # Errors
    /// [`RegistryError::Lake`].
    pub async fn pair_at(
        &self,
        registry: &Registry,
        (dataset, batch, row): (&str, &str, i64),
        entity: &str,
    ) -> Result<Option<Pair>, RegistryError> {
        let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
        let table = candidates_table(registry).map_err(failed)?;
        if !self.lake.exists(&table) {
            return Ok(None);
        }
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let place = format!("dataset = {} AND batch = {} AND row = {row}", quoted(dataset), quoted(batch));
        let mut stream =
            self.lake.scan(&table, Scan { filter_sql: Some(place), ..Scan::default() }).await.map_err(failed)?;
        while let Some(batch) = stream.next().await {
            let batch = batch.map_err(failed)?;
            for at in 0..batch.num_rows() {
                let pair = read(&batch, at).map_err(failed)?;
                if self.entity_name(registry, &pair.entity) == entity {
                    return Ok(Some(pair));
                }
            }
        }
        Ok(None)
    }

    /// The candidate pair of a record and an entity, both by their keys. `None`: it is not among the candidates.
    ///
    /// # Errors
    /// [`RegistryError::Lake`].
    pub async fn pair_of(
        &self,
        registry: &Registry,
        (dataset, record_key): (&str, &str),
        entity_key: &str,
    ) -> Result<Option<Pair>, RegistryError> {
        let failed = |source| RegistryError::Lake { action: "read candidates", registry: registry.id.clone(), source };
        let table = candidates_table(registry).map_err(failed)?;
        if !self.lake.exists(&table) {
            return Ok(None);
        }
        let found = self.lake.lookup(&table, &[dataset, record_key, entity_key]).await.map_err(failed)?;
        found.iter().find(|batch| batch.num_rows() > 0).map(|batch| read(batch, 0).map_err(failed)).transpose()
    }
}
