//! Who may see what of a registry.
//!
//! Nobody needs to see a value to know that a registry is in order, so pages show golden records masked. The keeper
//! of a registry may see one in clear: for a reason, which is recorded before anything is shown. A protected person
//! is shown in clear to nobody here; whoever is entitled has a grant.

use yihe_definitions::{EntityKind, Pack, Registry, Sensitivity};
use yihe_store::{Actor, Role};

/// Longest reason for seeing a record in clear, in characters.
pub const REASON_CHARACTERS_MAX: usize = 200;
/// Shortest one: a word is no reason.
pub const REASON_CHARACTERS_MIN: usize = 4;

/// How somebody stands to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has no part in it: it sees figures, no record.
    Stranger,
    /// Its department feeds the registry: it looks records up, masked.
    Provider,
    /// It runs the registry, or oversees it for the competent authority: it judges doubtful pairs, and sees a record
    /// in clear for a reason.
    Keeper,
}

/// How an actor stands to a registry.
#[must_use]
pub fn standing(actor: &Actor, registry: &Registry, pack: &Pack) -> Standing {
    if actor.roles.is_empty() {
        return Standing::Stranger;
    }
    if actor.department == registry.department || actor.roles.contains(&Role::Reviewer) {
        return Standing::Keeper;
    }
    let feeds = |dataset: &str| pack.dataset(dataset).is_some_and(|dataset| dataset.department == actor.department);
    if registry.members.iter().any(|member| feeds(&member.dataset)) { Standing::Provider } else { Standing::Stranger }
}

/// How sensitive the key of an entity is. A person's number names the person; codes of bodies and places are public.
#[must_use]
pub fn key_sensitivity(kind: EntityKind) -> Sensitivity {
    match kind {
        // The party of a published decision may be a person.
        EntityKind::Person | EntityKind::CreditRecord => Sensitivity::CitizenId,
        EntityKind::Organisation
        | EntityKind::Place
        | EntityKind::Certificate
        | EntityKind::RealEstateUnit
        | EntityKind::Indicator => Sensitivity::Plain,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_keeper_runs_it_a_provider_feeds_it_and_nobody_else_looks_a_record_up() {
        let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs");
        let pack = Pack::read(&[packs.join("base"), packs.join("demo")]).expect("the packs read");
        let population = pack.registry("population").expect("in the pack");
        let actor = |department: &str, roles: Vec<Role>| Actor {
            account: "a".to_owned(),
            department: department.to_owned(),
            roles,
        };
        let stands = |department: &str, roles: Vec<Role>| standing(&actor(department, roles), population, &pack);
        assert_eq!(stands("gongan", vec![Role::Officer]), Standing::Keeper);
        assert_eq!(stands("dashuju", vec![Role::Reviewer]), Standing::Keeper);
        assert_eq!(stands("minzheng", vec![Role::Head]), Standing::Provider);
        assert_eq!(stands("qixiang", vec![Role::Officer]), Standing::Stranger);
        assert_eq!(stands("gongan", Vec::new()), Standing::Stranger, "an office of administration sees no record");
    }
}
