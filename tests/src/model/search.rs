//! The exhaustive search of a model, and what it found.

use std::{collections::BTreeSet, fmt::Debug, hash::Hash};

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path};

/// The result of checking a configuration.
#[derive(Debug)]
pub struct Outcome {
    pub name: &'static str,
    /// States that were visited, each once for each path to it.
    pub states: usize,
    pub unique: usize,
    /// The length of the longest path.
    pub depth: usize,
    /// Each property, and whether it holds: in every state or, for a state to be reached, in one. After a violation,
    /// only the violated ones.
    pub properties: Vec<(&'static str, bool)>,
    /// The violated properties, and the steps that lead to each violation.
    pub discoveries: Vec<(String, String)>,
}

impl Outcome {
    pub fn holds(&self) -> bool {
        self.properties.iter().all(|(_, holds)| *holds)
    }
}

/// A bug, the property that has to find it, and the steps after which it did; `None` if it did not.
#[derive(Debug)]
pub struct Planted {
    pub bug: String,
    pub property: &'static str,
    pub noticed: Option<String>,
}

/// Checks every state, or up to the first violation.
pub fn check<M>(name: &'static str, model: M, describe: impl Fn(Path<M::State, M::Action>) -> String) -> Outcome
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let (mut properties, mut discoveries) = (Vec::new(), Vec::new());
    for property in checker.model().properties() {
        let must_not_be_found = property.expectation == Expectation::Always;
        let path = found.get(property.name);
        properties.push((property.name, path.is_none() == must_not_be_found));
        if let Some(path) = path.filter(|_| must_not_be_found) {
            discoveries.push((property.name.to_owned(), describe(path.clone())));
        }
    }
    // States that were not reached when the search was broken off prove nothing.
    if !discoveries.is_empty() {
        properties.retain(|(name, _)| discoveries.iter().any(|(violated, _)| violated == name));
    }
    let (states, unique, depth) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
    Outcome { name, states, unique, depth, properties, discoveries }
}

/// The fewest steps after which a property fails.
pub fn fewest_steps<M>(model: &M, property: &'static str) -> Option<Path<M::State, M::Action>>
where
    M: Model + Clone + Send + Sync + 'static,
    M::State: Clone + Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + Debug + PartialEq,
{
    let enough = HasDiscoveries::AllOf(BTreeSet::from([property]));
    let within = |depth| {
        let checker = model.clone().checker().finish_when(enough.clone()).target_max_depth(depth);
        checker.spawn_bfs().join().discovery(property)
    };
    // The checker handles states by the thousand and keeps the last one that fails.
    let mut fewest = within(usize::MAX)?;
    while let Some(fewer) = within(fewest.clone().into_states().len()) {
        fewest = fewer;
    }
    Some(fewest)
}
