//! A flash sale: many buyers, few units, and the designs that may hold the units.

use std::{sync::Arc, time::Duration};

use domain::{Order, ProductId, UserId};
use dynoxide::types::{AttributeValue, Item};
use tokio::task::JoinSet;

use super::{
    bucket::Burst,
    constants::{BETWEEN_TRIES, TRANSACTION, TRIES},
    counts::{Counts, percentile},
    lots::{AfterMiss, Believed, Choice, Plan},
    random::Random,
    service::{Rules, StateDay},
    shop::{Environment, Placed, ProductRead, SALE, Shop, TABLE},
    space::Capacity,
    stock::{Lot, Taken, lot_pk, lot_sk, partition_key_counter, sort_key_shard},
    wire::Jitter,
};

const PRODUCT: &str = "console";
const PRICE_CENTS: i64 = 29_900;
pub const SHARDS: u8 = 16;
/// A checkout that finds a shard empty tries so many in all before it says that the product is sold out.
const SHARDS_TRIED: usize = 4;
/// Transactions of one checkout over different lots, before it answers 503.
const LOTS_TRIED: usize = 20;

/// Where the units of the sale are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    OneItem,
    /// 16 shards under one partition key.
    SortKeyShards,
    /// 16 counters, each under a partition key of its own.
    PartitionKeyCounters,
    Lots(AfterMiss),
}

impl Design {
    pub fn name(self) -> &'static str {
        match self {
            Design::OneItem => "one stock item",
            Design::SortKeyShards => "16 shards in the sort key",
            Design::PartitionKeyCounters => "16 counters in the partition key",
            Design::Lots(_) => "lots",
        }
    }
}

/// The situation of one run.
#[derive(Debug, Clone)]
pub struct Sale {
    pub design: Design,
    pub buyers: usize,
    pub units: u32,
    /// Checkouts a second.
    pub rate: f64,
    pub product_read: ProductRead,
    pub table: Capacity,
    pub indexes: Capacity,
    pub burst: Burst,
    pub state_day: StateDay,
    /// A planted bug.
    pub lots_in_sort_key: bool,
    pub jitter: Jitter,
    /// All buyers at the same moment, instead of one after the other.
    pub at_once: bool,
    pub seed: u64,
}

/// Write units of one checkout, as this model counts them, for [`Sale::warmed`].
const TABLE_UNITS: f64 = 15.0;
const INDEX_UNITS: f64 = 2.0;
/// Keys are not placed evenly.
const MARGIN: f64 = 2.0;

impl Sale {
    /// A table that was warmed for the rate, and an index on states whose keys are as the product writes them.
    pub fn warmed(design: Design, buyers: usize, units: u32, rate: f64, seed: u64) -> Self {
        let for_units = |units: f64| Capacity::OnDemand { read: 12_000.0f64.max(rate * 8.0), write: units };
        Self {
            design,
            buyers,
            units,
            rate,
            product_read: match design {
                Design::Lots(_) => ProductRead::Eventual,
                Design::OneItem | Design::SortKeyShards | Design::PartitionKeyCounters => ProductRead::Consistent,
            },
            table: for_units((MARGIN * TABLE_UNITS * rate).max(4_000.0)),
            indexes: for_units((MARGIN * INDEX_UNITS * rate).max(4_000.0)),
            burst: Burst::Lost,
            state_day: StateDay::AsWritten,
            lots_in_sort_key: false,
            jitter: Jitter::AsWritten,
            at_once: false,
            seed,
        }
    }
}

/// What became of one buyer.
#[derive(Debug, Clone, Copy)]
struct Bought {
    verdict: Verdict,
    transactions: u32,
    /// From the arrival to the verdict, without the payment.
    took: Duration,
    at: Duration,
    confirmed: bool,
    /// Units that were there when this buyer was refused.
    left: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Bought,
    SoldOut,
    GaveUp,
}

/// The outputs of a run.
#[derive(Debug, Clone)]
pub struct SaleOutcome {
    pub sale: Sale,
    /// Units of confirmed orders.
    pub sold: u64,
    /// Units of orders that are placed and not confirmed.
    pub held: u64,
    /// Units that are left although somebody was told that there are none.
    pub stranded: u64,
    /// Units of orders beyond those that there were.
    pub oversold: u64,
    /// Units that are neither sold nor held.
    pub left: u64,
    pub told_sold_out: usize,
    /// Of those: while units were left.
    pub told_too_early: usize,
    pub gave_up: usize,
    /// Transactions of a buyer that sent any.
    pub attempts_p50: u32,
    pub attempts_p99: u32,
    /// Until an order was placed.
    pub time_p50: Duration,
    pub time_p99: Duration,
    /// When the last unit was taken.
    pub sold_out_at: Option<Duration>,
    /// When each order was placed, in order.
    pub placed_at: Vec<Duration>,
    pub counts: Counts,
    pub splits: usize,
    pub partitions: usize,
}

struct Run {
    sale: Sale,
    shop: Shop,
    product: ProductId,
    plan: Plan,
}

/// Opens a shop, lets the buyers come, and counts.
pub async fn run(sale: &Sale) -> SaleOutcome {
    let rules = Rules {
        burst: sale.burst,
        state_day: sale.state_day,
        lots_in_sort_key: sale.lots_in_sort_key,
        ..Rules::new(sale.seed)
    };
    let shop = Shop::open(rules.warm(sale.table, sale.indexes), sale.jitter).await;
    let product = shop.product(PRODUCT, PRICE_CENTS, sale.units.into()).await;
    let plan = Plan::new(sale.units, sale.rate, TRANSACTION.median_ms / 1_000.0);
    let run = Arc::new(Run { sale: sale.clone(), shop, product, plan });
    run.stock_up();
    run.shop.start();

    let mut random = Random::new(sale.seed ^ 0xB0_7E25);
    let (mut buyers, mut arrival) = (JoinSet::new(), Duration::ZERO);
    for buyer in 0..sale.buyers {
        if !sale.at_once {
            arrival += random.gap(sale.rate);
        }
        let (run, random) = (run.clone(), Random::new(sale.seed.wrapping_mul(1_000_003) + buyer as u64));
        buyers.spawn(async move {
            tokio::time::sleep(arrival).await;
            run.buyer(buyer, random).await
        });
    }
    let bought = buyers.join_all().await;
    run.outcome(&bought)
}

impl Run {
    /// Moves the units from the one stock item to where the design has them.
    fn stock_up(&self) {
        let units = i64::from(self.sale.units);
        let (pk, sk) = (format!("PROD#{}", self.product), format!("META#{0}#STOCK#00", self.product));
        let one = self.shop.stored(&pk, &sk).expect("the product has a stock item");
        let with = |item: &Item, pairs: &[(&str, AttributeValue)]| {
            let mut item = item.clone();
            item.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
            item
        };
        let (text, number) = (AttributeValue::S as fn(String) -> _, |n: i64| AttributeValue::N(n.to_string()));
        let share = |at: u8| units / i64::from(SHARDS) + i64::from(i64::from(at) < units % i64::from(SHARDS));
        match self.sale.design {
            Design::OneItem => {}
            Design::SortKeyShards => {
                for at in 0..SHARDS {
                    let item = with(&one, &[("SK", text(sort_key_shard(&sk, at))), ("available", number(share(at)))]);
                    self.shop.service.seed(&item, TABLE);
                }
            }
            Design::PartitionKeyCounters => {
                self.shop.service.seed(&with(&one, &[("available", number(0))]), TABLE);
                for at in 0..SHARDS {
                    let counter = text(partition_key_counter(&pk, at));
                    self.shop.service.seed(&with(&one, &[("PK", counter), ("available", number(share(at)))]), TABLE);
                }
            }
            Design::Lots(_) => {
                self.shop.service.seed(&with(&one, &[("available", number(0))]), TABLE);
                for (Lot { key, number: at }, left) in self.plan.filled(self.sale.units) {
                    let pairs = [("PK", text(lot_pk(SALE, key))), ("SK", text(lot_sk(at))), ("left", number(left))];
                    self.shop.service.seed(&with(&Item::new(), &pairs), TABLE);
                }
            }
        }
    }

    /// Units that are left, as the engine has them.
    fn left(&self) -> i64 {
        let (pk, sk) = (format!("PROD#{}", self.product), format!("META#{0}#STOCK#00", self.product));
        let available = |pk: &str, sk: &str| self.shop.number(pk, sk, "available").unwrap_or_default();
        match self.sale.design {
            Design::OneItem => available(&pk, &sk),
            Design::SortKeyShards => (0..SHARDS).map(|at| available(&pk, &sort_key_shard(&sk, at))).sum(),
            Design::PartitionKeyCounters => (0..SHARDS).map(|at| available(&partition_key_counter(&pk, at), &sk)).sum(),
            Design::Lots(_) => {
                let lots = self.plan.filled(self.sale.units);
                let left = |lot: &Lot| self.shop.number(&lot_pk(SALE, lot.key), &lot_sk(lot.number), "left");
                lots.iter().map(|(lot, _)| left(lot).unwrap_or_default()).sum()
            }
        }
    }

    /// Units that no order has at this moment: each order is of one.
    fn free(&self) -> i64 {
        i64::from(self.sale.units) - i64::try_from(self.shop.service.orders()).unwrap_or(i64::MAX)
    }

    async fn buyer(&self, buyer: usize, mut random: Random) -> Bought {
        let arrived = self.shop.service.now();
        let customer: UserId = format!("buyer-{buyer}").parse().expect("an id");
        self.shop.fill_cart(&customer);
        let mut transactions = 0;
        let end = |verdict, transactions, confirmed, left| {
            let at = self.shop.service.now();
            Bought { verdict, transactions, took: at - arrived, at, confirmed, left }
        };
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(BETWEEN_TRIES.mul_f64(1.0 + random.unit())).await;
            }
            let Ok(mut served) = self.shop.serve().await else { continue };
            let placed = self.checkout(&mut served, &customer, &mut random).await;
            transactions += served.outbox.transactions();
            match placed {
                Ok(order) => {
                    let bought = end(Verdict::Bought, transactions, false, 0);
                    let confirmed = self.shop.confirm(&served, &order, &mut random).await;
                    return Bought { confirmed, ..bought };
                }
                Err(Refused::SoldOut(left)) => return end(Verdict::SoldOut, transactions, false, left),
                Err(Refused::Busy) => {}
            }
        }
        end(Verdict::GaveUp, transactions, false, 0)
    }

    async fn checkout(
        &self,
        environment: &mut Environment,
        customer: &UserId,
        random: &mut Random,
    ) -> Result<Order, Refused> {
        let bought = [(self.product.clone(), 1)];
        let order = self.shop.order(environment, customer, &bought, self.sale.product_read).await;
        let order = order.map_err(|_busy| Refused::Busy)?;
        let mut shards: Vec<u8> = (0..SHARDS).collect();
        random.shuffle(&mut shards);
        let shards = shards.into_iter().take(SHARDS_TRIED);
        let tried: Vec<Taken> = match self.sale.design {
            Design::OneItem => vec![Taken::OneItem],
            Design::SortKeyShards => shards.map(Taken::SortKeyShard).collect(),
            Design::PartitionKeyCounters => shards.map(Taken::PartitionKeyCounter).collect(),
            Design::Lots(after_miss) => {
                let believed = environment.believed.take();
                let mut believed = believed.unwrap_or_else(|| Believed::new(SALE, self.plan, after_miss));
                let placed = self.take_lots(environment, &mut believed, &order, random).await;
                environment.believed = Some(believed);
                return placed.map(|()| order);
            }
        };
        for taken in tried {
            environment.outbox.take_from(taken);
            match self.shop.place(environment, &order).await {
                Placed::Now => return Ok(order),
                Placed::Busy => return Err(Refused::Busy),
                Placed::OutOfStock => {}
            }
        }
        Err(Refused::SoldOut(self.free()))
    }

    async fn take_lots(
        &self,
        environment: &Environment,
        believed: &mut Believed,
        order: &Order,
        random: &mut Random,
    ) -> Result<(), Refused> {
        let busy = |_error| Refused::Busy;
        for at in 0..LOTS_TRIED {
            let chosen = believed.choose(&environment.client, TABLE, 1, at > 0, random).await;
            let chosen = match chosen.map_err(busy)? {
                Choice::From(chosen) => chosen,
                Choice::SoldOut => return Err(Refused::SoldOut(self.free())),
            };
            environment.outbox.take_from(Taken::Lots(chosen.clone()));
            match self.shop.place(environment, order).await {
                Placed::Now => {
                    believed.bought(&chosen);
                    return Ok(());
                }
                Placed::OutOfStock => {
                    let empty: Vec<_> = environment.outbox.failed_lots().iter().map(|at| chosen[*at].0).collect();
                    believed.missed(&empty);
                }
                Placed::Busy => return Err(Refused::Busy),
            }
        }
        Err(Refused::Busy)
    }

    fn outcome(&self, buyers: &[Bought]) -> SaleOutcome {
        let (units, left) = (i64::from(self.sale.units), self.left());
        let placed: u64 = self.shop.orders().values().sum();
        let of = |verdict| buyers.iter().filter(move |bought| bought.verdict == verdict);
        let refused = of(Verdict::SoldOut).count();
        let confirmed = of(Verdict::Bought).filter(|bought| bought.confirmed).count() as u64;
        let mut attempts: Vec<_> = buyers.iter().map(|bought| bought.transactions).filter(|sent| *sent > 0).collect();
        attempts.sort_unstable();
        let mut times: Vec<_> = of(Verdict::Bought).map(|bought| bought.took).collect();
        times.sort_unstable();
        let mut placed_at: Vec<_> = of(Verdict::Bought).map(|bought| bought.at).collect();
        placed_at.sort_unstable();
        let units_left = u64::try_from(left).unwrap_or_default();
        SaleOutcome {
            sold: confirmed,
            held: placed.saturating_sub(confirmed),
            stranded: if refused > 0 { units_left } else { 0 },
            oversold: placed.saturating_sub(u64::from(self.sale.units)),
            left: units_left,
            told_sold_out: refused,
            told_too_early: of(Verdict::SoldOut).filter(|bought| bought.left > 0).count(),
            gave_up: of(Verdict::GaveUp).count(),
            attempts_p50: percentile(&attempts, 0.5).unwrap_or_default(),
            attempts_p99: percentile(&attempts, 0.99).unwrap_or_default(),
            time_p50: percentile(&times, 0.5).unwrap_or_default(),
            time_p99: percentile(&times, 0.99).unwrap_or_default(),
            sold_out_at: placed_at.last().copied().filter(|_| left == 0 && placed >= units.unsigned_abs()),
            placed_at,
            counts: self.shop.service.counts(),
            splits: self.shop.service.splits(),
            partitions: self.shop.service.partitions(),
            sale: self.sale.clone(),
        }
    }
}

enum Refused {
    /// With the units that are free all the same.
    SoldOut(i64),
    Busy,
}

impl SaleOutcome {
    /// Whether every unit is accounted for: sold, held or left.
    pub fn adds_up(&self) -> bool {
        self.sold + self.held + self.left == u64::from(self.sale.units)
    }

    /// What a sale has to be: every unit sold, once, and hardly a request refused.
    pub fn holds(&self) -> bool {
        self.sold == u64::from(self.sale.units)
            && (self.stranded, self.oversold, self.held, self.told_too_early) == (0, 0, 0, 0)
            && self.counts.throttled_share() < 0.01
            && self.attempts_p99 <= 3
    }
}
