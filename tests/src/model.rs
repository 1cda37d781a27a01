//! Every interleaving of the steps in which people and functions change one order, checked exhaustively. The
//! transitions are computed by the functions of `domain` that the handlers call: the model does not define them again.
//!
//! Two units of a product are held for an order. A checkout, its retry, the provider's webhook, sweepers, the customer
//! and staff act concurrently, one step at a time (`model/steps.rs`): they ask the provider, whose answer may be lost,
//! read the order, and write the transition if the order has not changed since; and each may vanish between any two
//! steps. `model/world.rs` is their shared state, the stored order and the provider's ledger. `model/properties.rs`
//! says what must hold in every state, under the names of `reliability.md`.
//!
//! `model/sale.rs` is a model of its own: one sale, whose buyers take from lots.
//!
//! A model that finds nothing may be unable to find anything. So each configuration names states that it has to reach,
//! and each property has to find a planted [`Bug`].

mod actors;
mod properties;
mod sale;
mod search;
mod steps;
mod world;

use stateright::{Model, Path, Property};

use actors::Actor;
pub use actors::{Did, Role};
pub use search::{Outcome, Planted};
pub use steps::Action;
pub use world::World;
use world::{Provider, Store};

/// The actors that change the order, and how it begins.
#[derive(Debug, Clone, Default)]
pub struct Configuration {
    pub name: &'static str,
    actors: Vec<Role>,
    /// It begins with a paid order instead of a held one.
    paid: bool,
    /// The provider may take money after it was closed.
    provider_breaks_its_word: bool,
    /// The provider may ask the customer to authenticate a payment.
    asks: bool,
    /// States that must be reached, by the names of `properties::REACHED`.
    reaches: Vec<&'static str>,
    bug: Option<Bug>,
}

/// A planted bug, to show that a property can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A lost answer is taken for a decline, and the hold is released.
    LostIsDeclined,
    /// A declined attempt releases the hold, although an earlier one may still be on its way.
    ReleasesOnDecline,
    /// An order is written over a concurrent change.
    WritesBlindly,
    /// The sweeper releases a hold without asking the provider.
    ReleasesUnasked,
    /// A payment of a cancelled order is ignored.
    IgnoresLateMoney,
    /// Every attempt to cancel puts the units back, not only the one that cancels.
    RestocksEveryCancel,
    /// A paid order is cancelled without a refund.
    CancelsForNothing,
    /// An update is recorded every time it arrives.
    RepeatsNews,
    /// A refund counts as paid before the provider was asked.
    BelievesRefunds,
    /// The sweeper handles holds, but not refunds.
    LeavesRefunds,
    /// The customer comes back from the bank's page, and the shop believes that the payment was made.
    BelievesTheStorefront,
    /// A payment whose customer is asked is confirmed again.
    ConfirmsTwice,
    /// Looking at a payment charges it.
    RefreshCharges,
    /// A hold is released without closing the payment whose customer is asked.
    ReleasesWhileAsked,
}

pub fn configurations() -> Vec<Configuration> {
    use Role::*;
    let (captured, declined, refunded) = (Webhook(Did::Capture), Webhook(Did::Decline), Webhook(Did::Refund));
    vec![
        everybody(),
        Configuration {
            name: "a provider that breaks its word",
            actors: vec![Checkout, Customer, captured, captured, refunded, Sweeper],
            reaches: vec![
                "expired",
                "cancelled paid",
                "late money owed",
                "late money back",
                "owed and no actor at work",
            ],
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
            name: "a bank that asks the customer",
            actors: vec![Checkout, Retry, Buyer, captured, Sweeper],
            reaches: vec!["asked", "asked and paid", "asked, and given up"],
            asks: true,
            ..Configuration::default()
        },
        Configuration {
            name: "a bank that asks, and another card",
            actors: vec![Checkout, AnotherCard, Buyer, Sweeper],
            reaches: vec!["asked", "another card paid", "asked, and given up"],
            asks: true,
            ..Configuration::default()
        },
        Configuration {
            name: "a late event of a failed challenge",
            actors: vec![Checkout, AnotherCard, Buyer, declined],
            reaches: vec!["asked", "another card paid", "asked, and given up"],
            asks: true,
            ..Configuration::default()
        },
        asked_and_cancelled(),
        Configuration {
            name: "a client that retries repeatedly",
            actors: vec![Checkout, Retry, Retry, captured, Sweeper],
            reaches: vec!["confirmed", "declined", "expired"],
            ..Configuration::default()
        },
        Configuration {
            name: "paid: concurrent staff, customer and warehouse",
            actors: vec![Staff, Customer, Warehouse, Sweeper, Sweeper],
            paid: true,
            reaches: vec!["shipped", "cancelled paid", "two refunds", "owed and no actor at work"],
            ..Configuration::default()
        },
        Configuration {
            name: "paid: cancelled in two tabs",
            actors: vec![Customer, Customer, captured, refunded, Sweeper, Sweeper],
            paid: true,
            reaches: vec!["cancelled paid", "owed and no actor at work", "a write comes too late"],
            ..Configuration::default()
        },
    ]
}

fn asked_and_cancelled() -> Configuration {
    use Role::*;
    Configuration {
        name: "asked, and cancelled",
        actors: vec![Checkout, Refresh, Buyer, Customer, Sweeper],
        reaches: vec!["asked", "asked and paid", "asked, and given up", "cancelled unpaid", "cancelled paid"],
        asks: true,
        ..Configuration::default()
    }
}

fn everybody() -> Configuration {
    use Role::*;
    Configuration {
        name: "all actors at once",
        actors: vec![Checkout, Retry, Webhook(Did::Capture), Customer, Sweeper],
        reaches: vec![
            "confirmed",
            "declined",
            "expired",
            "cancelled unpaid",
            "cancelled paid",
            "owed and no actor at work",
        ],
        ..Configuration::default()
    }
}

/// Checks every state of every configuration, and of the sales.
pub fn check_all() -> Vec<Outcome> {
    configurations().into_iter().map(Configuration::check).chain(sale::check_all()).collect()
}

/// The same without the largest, which takes longer than all others together.
pub fn check_smaller() -> Vec<Outcome> {
    let largest = everybody().name;
    let smaller = configurations().into_iter().filter(|one| one.name != largest);
    smaller.map(Configuration::check).chain(sale::check_all()).collect()
}

/// Plants each bug, and looks for a state in which the property that has to find it fails.
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
        (Bug::BelievesTheStorefront, "nothing is stuck"),
        (Bug::ConfirmsTwice, "P7"),
        (Bug::RefreshCharges, "P7"),
        (Bug::ReleasesWhileAsked, "P1"),
    ];
    let notice = |(bug, property)| {
        // This bug shows only if money is taken late.
        let provider_breaks_its_word = bug == Bug::IgnoresLateMoney;
        // And these if the customer is asked.
        let asks = matches!(
            bug,
            Bug::BelievesTheStorefront | Bug::ConfirmsTwice | Bug::RefreshCharges | Bug::ReleasesWhileAsked
        );
        let configuration = if asks { asked_and_cancelled() } else { everybody() };
        let configuration = Configuration { bug: Some(bug), provider_breaks_its_word, ..configuration };
        let noticed = search::fewest_steps(&configuration, property).map(describe);
        Planted { bug: format!("{bug:?}"), property, noticed }
    };
    bugs.into_iter().map(notice).chain(sale::planted()).collect()
}

impl Configuration {
    /// Checks every state, or up to the first violation.
    pub fn check(self) -> Outcome {
        search::check(self.name, self, describe)
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }
}

fn describe(path: Path<World, Action>) -> String {
    let events: Vec<_> = path.last_state().store.order.history.iter().map(|t| t.event).collect();
    let steps = path.into_vec().into_iter();
    let steps: Vec<_> = steps.filter_map(|(world, action)| Some(world.describe(action?))).collect();
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
        vec![World { store, provider, actors, capture_applied: self.paid, released_unasked: false }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(self, actions);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        next.act(self, action);
        Some(next)
    }

    /// No correct run writes as often; the search with a bug that writes for ever has to end, too.
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
