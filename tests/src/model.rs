//! Every order of steps in which people and machines can get at one order, checked exhaustively over the functions of
//! `domain` that the handlers call: nothing here says again what can happen to an order.
//!
//! Two units of a product are held for an order. A checkout, its retry, the provider's webhook, sweepers, the customer
//! and staff get at it at once, one step at a time (`model/steps.rs`): they ask the provider, whose answer may be lost,
//! read the order, and write what follows from it if it is still the one they read; and each may vanish between any two
//! steps. `model/world.rs` is what they share, the stored order and the provider's ledger. What must hold in every state
//! of it, `model/properties.rs` says under the names that `reliability.md` gives it.
//!
//! A model that finds nothing may be a model that cannot find anything. So each configuration names states it has to
//! reach, and each property has to catch a planted [`Bug`].

mod actors;
mod properties;
mod steps;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, Expectation, HasDiscoveries, Model, Path, Property};

use actors::Actor;
pub use actors::{Did, Role};
pub use steps::Action;
pub use world::World;
use world::{Provider, Store};

/// Who gets at the order, and what is known beforehand.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    pub name: &'static str,
    actors: Vec<Role>,
    /// It begins with a paid order instead of one that is only held.
    paid: bool,
    /// The provider may take money after it was closed.
    provider_breaks_its_word: bool,
    /// States it must come to, by the names of `properties::REACHED`.
    reaches: Vec<&'static str>,
    bug: Option<Bug>,
}

/// A mistake to show that a property can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A lost answer is taken for a refusal, and the hold released.
    LostIsDeclined,
    /// A refused attempt releases the hold, although one before it may still be on its way.
    ReleasesOnDecline,
    /// An order is written over whatever was written meanwhile.
    WritesBlindly,
    /// The sweeper releases a hold without asking the provider.
    ReleasesUnasked,
    /// Money for an order that was given up is not heard of.
    IgnoresLateMoney,
    /// Every attempt to cancel puts the units back, not only the one that cancels.
    RestocksEveryCancel,
    /// An order that was paid is cancelled without its money being owed.
    CancelsForNothing,
    /// News is written down every time it is heard.
    RepeatsNews,
    /// A refund counts as paid before the provider was asked.
    BelievesRefunds,
    /// The sweeper looks after holds, not after refunds.
    LeavesRefunds,
}

/// What checking a configuration came to.
#[derive(Debug)]
pub struct Outcome {
    pub name: &'static str,
    /// States that were come to, each as often as there are ways to it.
    pub states: usize,
    pub unique: usize,
    /// Steps of the longest way.
    pub depth: usize,
    /// Each property, and whether it holds: in every state, or, for a state to be reached, in one. After a violation
    /// only what was violated.
    pub properties: Vec<(&'static str, bool)>,
    /// What must hold and does not, and the steps that lead there.
    pub discoveries: Vec<(String, String)>,
}

impl Outcome {
    pub fn holds(&self) -> bool {
        self.properties.iter().all(|(_, holds)| *holds)
    }
}

/// A bug, the property that has to notice it, and the steps it was noticed after; `None` if it was not.
#[derive(Debug)]
pub struct Planted {
    pub bug: Bug,
    pub property: &'static str,
    pub noticed: Option<String>,
}

pub fn configurations() -> Vec<Configuration> {
    use Role::*;
    let (captured, declined, refunded) = (Webhook(Did::Capture), Webhook(Did::Decline), Webhook(Did::Refund));
    vec![
        everybody(),
        Configuration {
            name: "a provider that breaks its word",
            actors: vec![Checkout, Customer, captured, captured, refunded, Sweeper],
            reaches: vec!["expired", "cancelled paid", "late money owed", "late money back", "owed and nobody at it"],
            provider_breaks_its_word: true,
            ..Configuration::default()
        },
        Configuration {
            name: "two overlapping sweepers",
            actors: vec![Checkout, Retry, captured, Sweeper, Sweeper],
            reaches: vec!["confirmed", "declined", "expired", "a write comes too late"],
            ..Configuration::default()
        },
        Configuration {
            name: "webhooks twice, out of order",
            actors: vec![Checkout, Retry, captured, captured, declined, Sweeper],
            reaches: vec!["confirmed", "declined", "expired", "a write comes too late"],
            ..Configuration::default()
        },
        Configuration {
            name: "a client that tries again and again",
            actors: vec![Checkout, Retry, Retry, captured, Sweeper],
            reaches: vec!["confirmed", "declined", "expired"],
            ..Configuration::default()
        },
        Configuration {
            name: "paid: staff, customer and warehouse at odds",
            actors: vec![Staff, Customer, Warehouse, Sweeper, Sweeper],
            paid: true,
            reaches: vec!["shipped", "cancelled paid", "two refunds", "owed and nobody at it"],
            ..Configuration::default()
        },
        Configuration {
            name: "paid: cancelled in two tabs",
            actors: vec![Customer, Customer, captured, refunded, Sweeper, Sweeper],
            paid: true,
            reaches: vec!["cancelled paid", "owed and nobody at it", "a write comes too late"],
            ..Configuration::default()
        },
    ]
}

fn everybody() -> Configuration {
    use Role::*;
    Configuration {
        name: "everybody at once",
        actors: vec![Checkout, Retry, Webhook(Did::Capture), Customer, Sweeper],
        reaches: vec![
            "confirmed",
            "declined",
            "expired",
            "cancelled unpaid",
            "cancelled paid",
            "owed and nobody at it",
        ],
        ..Configuration::default()
    }
}

/// Goes through every state of every configuration.
pub fn check_all() -> Vec<Outcome> {
    configurations().into_iter().map(Configuration::check).collect()
}

/// Plants each bug, and looks for a state in which the property that has to notice it does.
pub fn planted() -> Vec<Planted> {
    let bugs = [
        (Bug::LostIsDeclined, "P1"),
        (Bug::ReleasesOnDecline, "P1"),
        (Bug::WritesBlindly, "S1"),
        (Bug::ReleasesUnasked, "P1"),
        (Bug::IgnoresLateMoney, "P2"),
        (Bug::RestocksEveryCancel, "S2"),
        (Bug::CancelsForNothing, "P3"),
        (Bug::RepeatsNews, "P4"),
        (Bug::BelievesRefunds, "money"),
        (Bug::LeavesRefunds, "nothing is stuck"),
    ];
    let notice = |(bug, property)| {
        // Money that comes late is among what can be mistaken.
        let provider_breaks_its_word = bug == Bug::IgnoresLateMoney;
        let configuration = Configuration { bug: Some(bug), provider_breaks_its_word, ..everybody() };
        Planted { bug, property, noticed: configuration.violates(property) }
    };
    bugs.into_iter().map(notice).collect()
}

impl Configuration {
    /// Goes through every state, or as far as the first that must not be.
    pub fn check(self) -> Outcome {
        let name = self.name;
        let checker = self.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found = checker.discoveries();
        let (mut properties, mut discoveries) = (Vec::new(), Vec::new());
        for property in checker.model().properties() {
            let must_not_be_found = property.expectation == Expectation::Always;
            let path = found.get(property.name);
            properties.push((property.name, path.is_none() == must_not_be_found));
            if let Some(path) = path.filter(|_| must_not_be_found) {
                discoveries.push((property.name.to_owned(), tells(path.clone())));
            }
        }
        // What was not reached when the search broke off says nothing.
        if !discoveries.is_empty() {
            properties.retain(|(name, _)| discoveries.iter().any(|(violated, _)| violated == name));
        }
        let (states, unique, depth) = (checker.state_count(), checker.unique_state_count(), checker.max_depth());
        Outcome { name, states, unique, depth, properties, discoveries }
    }

    /// The fewest steps after which a property fails.
    fn violates(&self, property: &'static str) -> Option<String> {
        let enough = HasDiscoveries::AllOf(BTreeSet::from([property]));
        let within = |depth| {
            let checker = self.clone().checker().finish_when(enough.clone()).target_max_depth(depth);
            checker.spawn_bfs().join().discovery(property)
        };
        // The checker looks at states by the thousand and keeps the last one that fails.
        let mut fewest = within(usize::MAX)?;
        while let Some(fewer) = within(fewest.clone().into_states().len()) {
            fewest = fewer;
        }
        Some(tells(fewest))
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}

fn tells(path: Path<World, Action>) -> String {
    let events: Vec<_> = path.last_state().store.order.history.iter().map(|t| t.event).collect();
    let steps = path.into_vec().into_iter();
    let steps: Vec<_> = steps.filter_map(|(world, action)| Some(world.tells(action?))).collect();
    let steps = if steps.is_empty() { "at once".to_owned() } else { steps.join(", ") };
    format!("{steps}; the order then: {events:?}")
}

impl Model for Configuration {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let provider = Provider { breaks_its_word: self.provider_breaks_its_word, ..Provider::default() };
        let (store, provider) = match self.paid {
            true => (Store::paid(), Provider { captures: 1, ..provider }),
            false => (Store::held(), provider),
        };
        let actors = self.actors.iter().map(|role| Actor::new(*role)).collect();
        vec![World { store, provider, actors, told: self.paid, released_unasked: false }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(self, action);
        Some(next)
    }

    /// Nobody here has that much to write; the search for a mistake that lets them write for ever has to end too.
    fn within_boundary(&self, world: &World) -> bool {
        world.store.order.version <= 12
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let reached = |wanted: &&str| {
            let found = properties::REACHED.into_iter().find(|(name, _)| name == wanted);
            let (name, is_it) = found.unwrap_or_else(|| panic!("{wanted:?} is not one of properties::REACHED"));
            Property::sometimes(name, is_it)
        };
        let always = properties::ALWAYS.into_iter().map(|(name, holds)| Property::always(name, holds));
        always.chain(self.reaches.iter().map(reached)).collect()
    }
}
