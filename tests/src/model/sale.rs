//! One small sale: buyers who take units from its lots and pay, are declined, let their hold end or cancel, while the sale
//! ends and sweepers return what is left to the stock. Each transaction of the table is one step, with its conditions; what
//! a process read before may be old by then.
//!
//! Which lots a buyer takes from, and which ones units return to, is decided by the functions of `domain` that the product
//! calls.

use std::collections::BTreeMap;

use domain::{LineSale, LotId, LotPlan, LotTake, LotsSeen, MAX_LOTS_OF_LINE, Quantity, SaleId, SaleProgress};
use stateright::{Model, Path, Property};
use uuid::Uuid;

use super::search::{self, Outcome, Planted};

/// Units of the sale, in two lots under a key each: two and one.
const UNITS: u32 = 3;
const PLAN: LotPlan = LotPlan { keys: 2, lots: 2 };

/// The most units of a customer.
const LIMIT: u32 = 2;

/// Attempts of a buyer, before the answer is 503.
const ATTEMPTS: u8 = 2;

/// A planted bug, to show that a property can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Units of an order return to their lot however often it is given up.
    ReleasesALotTwice,
    /// The limit is read before the transaction of the order, and counted after it.
    CountsTheLimitApart,
    /// Units of an order that is given up return to a lot that the end of the sale has removed.
    ReturnsToALotThatIsGone,
    /// What returns to the stock at the end is counted from what was sold, and holds that are open are given up as well.
    FoldsBackWhatIsHeld,
    /// A lot is removed whatever was returned to it meanwhile.
    RemovesALotUnseen,
    /// Two sweepers end one sale.
    EndsASaleTwice,
    /// A buyer takes from a lot what they believe it to have.
    TakesUnseen,
}

#[derive(Debug, Clone)]
struct Sale {
    name: &'static str,
    /// The customer of each buyer, and the units that the buyer wants.
    buyers: Vec<(usize, u32)>,
    /// Processes that give an order up, each once: the order of this buyer.
    releases: Vec<usize>,
    sweepers: usize,
    bug: Option<Bug>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    stock: u32,
    lots: BTreeMap<LotId, u32>,
    /// The time of the sale is over.
    is_over: bool,
    progress: SaleProgress,
    version: u8,
    /// Units that count against the limit, of each customer.
    counted: Vec<u32>,
    buyers: Vec<Buyer>,
    releases: Vec<Release>,
    sweepers: Vec<Sweep>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Buyer {
    /// Reads the lots.
    Looks {
        attempt: u8,
    },
    /// Has read these lots, and the counter of the customer.
    Takes {
        attempt: u8,
        seen: BTreeMap<LotId, u32>,
        counted: u32,
    },
    /// Counts what was taken, with the bug of that name.
    Counts {
        takes: Vec<LotTake>,
        counted: u32,
    },
    Has(Order),
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Order {
    takes: Vec<LotTake>,
    state: OrderState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum OrderState {
    Held,
    Paid,
    GivenUp,
}

/// A decline, the end of the hold, or a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Release {
    Reads,
    /// Has read an order in this state.
    Writes {
        read: OrderState,
        to: ReturnTo,
    },
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ReturnTo {
    Lots,
    Stock,
}

/// A run of the sweeper over the sale.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Sweep {
    Reads,
    /// Has read the sale, and is to read the lots of its next key.
    Looks {
        version: u8,
        progress: SaleProgress,
    },
    Removes {
        version: u8,
        keys: u16,
        units: u32,
        seen: BTreeMap<LotId, u32>,
    },
    Ends {
        version: u8,
        units: u32,
    },
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    TimeIsOver,
    /// A buyer's next step; with what is drawn when lots are chosen.
    Buys(usize, u64),
    Pays(usize),
    Releases(usize),
    Sweeps(usize),
    /// The sweeper's run ends before its next step.
    Stops(usize),
}

/// Checks every state of every sale.
pub fn check_all() -> Vec<Outcome> {
    sales().into_iter().map(|sale| search::check(sale.name, sale, describe)).collect()
}

/// Plants each bug, and looks for a state in which the property that has to find it fails.
pub fn planted() -> Vec<Planted> {
    let bugs = [
        (Bug::ReleasesALotTwice, "units add up"),
        (Bug::CountsTheLimitApart, "the limit holds"),
        (Bug::ReturnsToALotThatIsGone, "nothing is stranded"),
        (Bug::FoldsBackWhatIsHeld, "units add up"),
        (Bug::RemovesALotUnseen, "units add up"),
        (Bug::EndsASaleTwice, "units add up"),
        (Bug::TakesUnseen, "no unit is sold twice"),
    ];
    let notice = |(bug, property)| {
        let with_bug = sales().into_iter().map(|sale| Sale { bug: Some(bug), ..sale });
        let noticed = with_bug.into_iter().find_map(|sale| search::fewest_steps(&sale, property)).map(describe);
        Planted { bug: format!("{bug:?}"), property, noticed }
    };
    bugs.into_iter().map(notice).collect()
}

fn sales() -> Vec<Sale> {
    vec![
        Sale {
            name: "a sale that ends while holds are open",
            buyers: vec![(0, 2), (0, 1), (1, 2)],
            releases: vec![0, 0, 2],
            sweepers: 1,
            bug: None,
        },
        Sale {
            name: "a sale that two sweepers end",
            buyers: vec![(0, 2), (1, 1)],
            releases: vec![0, 1],
            sweepers: 2,
            bug: None,
        },
    ]
}

fn describe(path: Path<World, Action>) -> String {
    let last = path.last_state().clone();
    let steps: Vec<_> = path.into_actions().iter().map(|action| format!("{action:?}")).collect();
    format!("{}; then {last:?}", steps.join(", "))
}

impl Sale {
    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn start(&self) -> World {
        World {
            stock: 0,
            lots: PLAN.lots(UNITS, 0..PLAN.lots).collect(),
            is_over: false,
            progress: SaleProgress::Open,
            version: 1,
            counted: vec![0; self.buyers.iter().map(|(customer, _)| customer + 1).max().unwrap_or(0)],
            buyers: vec![Buyer::Looks { attempt: 0 }; self.buyers.len()],
            releases: vec![Release::Reads; self.releases.len()],
            sweepers: vec![Sweep::Reads; self.sweepers],
        }
    }
}

impl Model for Sale {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.start()]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if !world.is_over {
            actions.push(Action::TimeIsOver);
        }
        for (who, buyer) in world.buyers.iter().enumerate() {
            match buyer {
                // A checkout that begins after the end sells at the usual price, from the stock.
                Buyer::Looks { .. } if world.is_over => {}
                Buyer::Looks { .. } | Buyer::Counts { .. } => actions.push(Action::Buys(who, 0)),
                Buyer::Takes { seen, .. } => {
                    let most = seen.values().map(|left| u64::from(*left)).sum::<u64>().max(1);
                    actions.extend((0..most).map(|drawn| Action::Buys(who, drawn)));
                }
                Buyer::Has(order) if order.state == OrderState::Held => actions.push(Action::Pays(who)),
                Buyer::Has(_) | Buyer::Refused => {}
            }
        }
        for (at, release) in world.releases.iter().enumerate() {
            let has_order = matches!(world.buyers[self.releases[at]], Buyer::Has(_));
            if has_order && *release != Release::Done {
                actions.push(Action::Releases(at));
            }
        }
        for (at, sweep) in world.sweepers.iter().enumerate() {
            if world.is_over && *sweep != Sweep::Gone {
                actions.push(Action::Sweeps(at));
                // Before it has read anything, to stop is never to begin.
                if *sweep != Sweep::Reads {
                    actions.push(Action::Stops(at));
                }
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::TimeIsOver => next.is_over = true,
            Action::Buys(who, drawn) => next.buyers[who] = next.buys(self, who, drawn),
            Action::Pays(who) => {
                if let Buyer::Has(order) = &mut next.buyers[who] {
                    order.state = OrderState::Paid;
                }
            }
            Action::Releases(at) => next.releases[at] = next.releases(self, at),
            Action::Sweeps(at) => next.sweepers[at] = next.sweeps(self, at),
            Action::Stops(at) => next.sweepers[at] = Sweep::Gone,
        }
        (next != *world).then_some(next)
    }

    /// No correct run changes a sale as often; the search with a bug that changes it for ever has to end, too.
    fn within_boundary(&self, world: &World) -> bool {
        world.version <= 8 && world.stock <= 2 * UNITS && world.lots.values().all(|left| *left <= 2 * UNITS)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no unit is sold twice", |_, world: &World| world.ordered() <= UNITS),
            Property::always("units add up", |_, world: &World| world.units() == UNITS),
            Property::always("the limit holds", |model: &Sale, world: &World| {
                (0..world.counted.len()).all(|customer| world.ordered_by(model, customer) <= LIMIT)
            }),
            Property::always("nothing is stranded", |model: &Sale, world: &World| world.is_clean_in_the_end(model)),
            Property::sometimes("sold out", |_, world: &World| world.ordered() == UNITS),
            Property::sometimes("taken from two lots", |_, world: &World| world.orders().any(|o| o.takes.len() == 2)),
            Property::sometimes("a hold outlives the sale", |_, world: &World| {
                world.has_ended() && world.orders().any(|order| order.state == OrderState::Held)
            }),
            Property::sometimes("units return after the end", |_, world: &World| {
                world.has_ended()
                    && world.releases.iter().any(|r| matches!(r, Release::Writes { to: ReturnTo::Stock, .. }))
            }),
            Property::sometimes("units return while lots are removed", |_, world: &World| {
                let removes = |sweep: &Sweep| matches!(sweep, Sweep::Removes { seen, .. } if world.is_newer_than(seen));
                world.sweepers.iter().any(removes)
            }),
        ]
    }
}

impl World {
    fn orders(&self) -> impl Iterator<Item = &Order> {
        self.buyers.iter().filter_map(|buyer| match buyer {
            Buyer::Has(order) => Some(order),
            Buyer::Looks { .. } | Buyer::Takes { .. } | Buyer::Counts { .. } | Buyer::Refused => None,
        })
    }

    /// Units that a buyer has.
    fn units_of(buyer: &Buyer) -> u32 {
        let takes = match buyer {
            Buyer::Has(Order { takes, state: OrderState::Held | OrderState::Paid }) | Buyer::Counts { takes, .. } => {
                takes
            }
            Buyer::Has(_) | Buyer::Looks { .. } | Buyer::Takes { .. } | Buyer::Refused => return 0,
        };
        takes.iter().map(|take| take.units).sum()
    }

    fn ordered(&self) -> u32 {
        self.buyers.iter().map(Self::units_of).sum()
    }

    fn ordered_by(&self, sale: &Sale, customer: usize) -> u32 {
        let buyers = self.buyers.iter().zip(&sale.buyers).filter(|(_, (of, _))| *of == customer);
        buyers.map(|(buyer, _)| Self::units_of(buyer)).sum()
    }

    /// All units: in lots, in orders, in the stock, or counted by a sale whose lots are being removed.
    fn units(&self) -> u32 {
        let between = match self.progress {
            SaleProgress::Closing { units, .. } => units,
            SaleProgress::Preparing { .. } | SaleProgress::Open | SaleProgress::Ended { .. } => 0,
        };
        self.stock + self.lots.values().sum::<u32>() + self.ordered() + between
    }

    fn has_ended(&self) -> bool {
        matches!(self.progress, SaleProgress::Ended { .. })
    }

    fn is_newer_than(&self, seen: &BTreeMap<LotId, u32>) -> bool {
        seen.iter().any(|(lot, left)| self.lots.get(lot).is_some_and(|now| now > left))
    }

    /// Every buyer and sweeper vanishes; holds end, and the sweeper runs without faults.
    fn is_clean_in_the_end(&self, sale: &Sale) -> bool {
        let mut world = self.clone();
        world.is_over = true;
        let sale = Sale { releases: (0..world.buyers.len()).collect(), ..sale.clone() };
        world.releases = vec![Release::Done; sale.releases.len()];
        for at in 0..world.buyers.len() {
            let held = matches!(&world.buyers[at], Buyer::Has(order) if order.state == OrderState::Held);
            world.releases[at] = if held { Release::Reads } else { Release::Done };
            for _ in 0..4 {
                world.releases[at] = world.releases(&sale, at);
            }
        }
        world.sweepers = vec![Sweep::Reads];
        for _ in 0..16 {
            world.sweepers[0] = match world.sweeps(&sale, 0) {
                Sweep::Gone => Sweep::Reads,
                next => next,
            };
        }
        world.has_ended() && world.lots.is_empty() && world.orders().all(|order| order.state != OrderState::Held)
    }

    fn buys(&mut self, sale: &Sale, who: usize, drawn: u64) -> Buyer {
        let (customer, units) = sale.buyers[who];
        match self.buyers[who].clone() {
            Buyer::Looks { attempt } => {
                Buyer::Takes { attempt, seen: self.lots.clone(), counted: self.counted[customer] }
            }
            Buyer::Takes { attempt, seen, counted } => {
                let lots: LotsSeen = seen.into_iter().collect();
                let Some(takes) = lots.choose(units, MAX_LOTS_OF_LINE, drawn) else { return Buyer::Refused };
                let apart = sale.has(Bug::CountsTheLimitApart);
                if (if apart { counted } else { self.counted[customer] }) + units > LIMIT {
                    return Buyer::Refused;
                }
                let blind = sale.has(Bug::TakesUnseen);
                let has = |take: &LotTake| self.lots.get(&take.lot).is_some_and(|left| *left >= take.units);
                if !takes.iter().all(|take| has(take) || blind) {
                    let attempt = attempt + 1;
                    return if attempt < ATTEMPTS { Buyer::Looks { attempt } } else { Buyer::Refused };
                }
                for take in &takes {
                    let left = self.lots.entry(take.lot).or_default();
                    *left = left.saturating_sub(take.units);
                }
                if apart {
                    return Buyer::Counts { takes, counted };
                }
                self.counted[customer] += units;
                Buyer::Has(Order { takes, state: OrderState::Held })
            }
            Buyer::Counts { takes, counted } => {
                self.counted[customer] = counted + units;
                Buyer::Has(Order { takes, state: OrderState::Held })
            }
            done @ (Buyer::Has(_) | Buyer::Refused) => done,
        }
    }

    fn releases(&mut self, sale: &Sale, at: usize) -> Release {
        let (who, (customer, _)) = (sale.releases[at], sale.buyers[sale.releases[at]]);
        let Buyer::Has(Order { takes, state }) = self.buyers[who].clone() else { return Release::Done };
        match self.releases[at] {
            Release::Reads if state == OrderState::GivenUp => Release::Done,
            Release::Reads => Release::Writes { read: state, to: ReturnTo::Lots },
            // The order has another version by now. What was paid meanwhile is not given up; it may be cancelled later.
            Release::Writes { read, .. } if read != state && !sale.has(Bug::ReleasesALotTwice) => Release::Done,
            Release::Writes { read, to } => {
                let units = takes.iter().map(|take| take.units).sum();
                let quantity = Quantity::new(i64::from(units)).expect("an order has units");
                let line = LineSale { id: SaleId::from(Uuid::nil()), lots: takes.clone(), limit: None };
                match to {
                    ReturnTo::Lots => {
                        let creates = sale.has(Bug::ReturnsToALotThatIsGone);
                        let returned = line.returned(units, quantity);
                        if !creates && !returned.iter().all(|take| self.lots.contains_key(&take.lot)) {
                            return Release::Writes { read, to: ReturnTo::Stock };
                        }
                        for take in returned {
                            *self.lots.entry(take.lot).or_default() += take.units;
                        }
                        self.counted[customer] = self.counted[customer].saturating_sub(units);
                    }
                    ReturnTo::Stock => self.stock += units,
                }
                self.buyers[who] = Buyer::Has(Order { takes, state: OrderState::GivenUp });
                Release::Done
            }
            Release::Done => Release::Done,
        }
    }

    fn sweeps(&mut self, sale: &Sale, at: usize) -> Sweep {
        match self.sweepers[at].clone() {
            Sweep::Reads if self.has_ended() => Sweep::Gone,
            Sweep::Reads => Sweep::Looks { version: self.version, progress: self.progress },
            Sweep::Looks { version, progress } => {
                let (keys, units) = match progress {
                    SaleProgress::Closing { keys, units } => (keys, units),
                    SaleProgress::Preparing { .. } | SaleProgress::Open | SaleProgress::Ended { .. } => (0, 0),
                };
                if keys >= PLAN.keys {
                    return Sweep::Ends { version, units };
                }
                let seen = self.lots.iter().filter(|(lot, _)| lot.key() == keys).map(|(lot, left)| (*lot, *left));
                Sweep::Removes { version, keys, units, seen: seen.collect() }
            }
            Sweep::Removes { version, keys, units, seen } => {
                let same = seen.iter().all(|(lot, left)| self.lots.get(lot) == Some(left));
                if self.version != version || !(same || sale.has(Bug::RemovesALotUnseen)) {
                    return Sweep::Reads;
                }
                for lot in seen.keys() {
                    self.lots.remove(lot);
                }
                let units = units + seen.values().sum::<u32>();
                self.goes_on(SaleProgress::Closing { keys: keys + 1, units });
                Sweep::Looks { version: self.version, progress: self.progress }
            }
            Sweep::Ends { version, .. } if self.version != version && !sale.has(Bug::EndsASaleTwice) => Sweep::Reads,
            Sweep::Ends { units, .. } => {
                let paid = self.orders().filter(|order| order.state == OrderState::Paid);
                let paid: u32 = paid.flat_map(|order| &order.takes).map(|take| take.units).sum();
                self.stock += if sale.has(Bug::FoldsBackWhatIsHeld) { UNITS - paid } else { units };
                self.goes_on(SaleProgress::Ended { units });
                Sweep::Gone
            }
            Sweep::Gone => Sweep::Gone,
        }
    }

    fn goes_on(&mut self, progress: SaleProgress) {
        self.progress = progress;
        self.version += 1;
    }
}
