//! A flash sale: many buyers, few units, and the designs that may hold the units.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{CartLine, ProductId};
use dynoxide::types::{AttributeValue, Item};
use ops::prewarm::{Forecast, warm_throughput};
use table::{TableNames, WarmThroughput, keys};
use tokio::task::JoinSet;

use super::{
    bucket::Burst,
    constants::{BETWEEN_TRIES, TRIES},
    counts::{Counts, percentile},
    random::Random,
    service::{Rules, StateDay},
    shop::{Answered, Shop, TABLE, line},
    stock::{Taken, partition_key_counter, sort_key_shard},
    wire::Jitter,
};

const PRODUCT: &str = "console";
const PRICE_CENTS: i64 = 29_900;
const SALE_CENTS: i64 = 19_900;
pub const SHARDS: u8 = 16;
/// A checkout that finds a shard empty tries so many in all before it says that the product is sold out.
const SHARDS_TRIED: usize = 4;

/// Where the units of the sale are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// The product's stock, without a sale.
    OneItem,
    /// 16 shards under one partition key.
    SortKeyShards,
    /// 16 counters, each under a partition key of its own.
    PartitionKeyCounters,
    /// A sale, as the product plans and sells it.
    Lots,
}

impl Design {
    pub fn name(self) -> &'static str {
        match self {
            Design::OneItem => "one stock item",
            Design::SortKeyShards => "16 shards in the sort key",
            Design::PartitionKeyCounters => "16 counters in the partition key",
            Design::Lots => "lots",
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
    /// Of the table and its indexes; what is not named is new.
    pub warm: Vec<WarmThroughput>,
    pub burst: Burst,
    pub state_day: StateDay,
    /// A planted bug.
    pub lots_in_sort_key: bool,
    pub jitter: Jitter,
    /// All buyers at the same moment, instead of one after the other.
    pub at_once: bool,
    pub seed: u64,
}

impl Sale {
    /// A table that was warmed for the rate, as `ops sale prewarm` says.
    pub fn warmed(design: Design, buyers: usize, units: u32, rate: f64, seed: u64) -> Self {
        let forecast = Forecast { checkouts_per_second: rate.ceil() as u64, lines: 1, limit: false };
        Self {
            design,
            buyers,
            units,
            rate,
            warm: warm_throughput(forecast, &TableNames::one(TABLE)),
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
#[derive(Debug, Clone)]
struct Bought {
    verdict: Verdict,
    transactions: u32,
    /// From the arrival until the order was placed, or the buyer was refused.
    took: Duration,
    at: Duration,
    /// Units that were there when this buyer was refused.
    left: i64,
    /// Answers after which the buyer tried again.
    answers: Vec<String>,
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
    /// Units that are left although a buyer was refused because there were none.
    pub stranded: u64,
    /// Units of orders beyond those that there were.
    pub oversold: u64,
    /// Units that are neither sold nor held.
    pub left: u64,
    pub refused: usize,
    /// Of those: while units were left.
    pub refused_too_early: usize,
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
    /// Answers after which buyers tried again, and how often each was given.
    pub answers: BTreeMap<String, usize>,
    pub counts: Counts,
    pub splits: usize,
    pub partitions: usize,
}

struct Run {
    sale: Sale,
    shop: Shop,
    /// Of every buyer's cart.
    lines: Vec<(ProductId, CartLine)>,
    units: Units,
}

/// Where the units are: the attribute that counts them, and the items that have it.
struct Units {
    attribute: &'static str,
    keys: Vec<(String, String)>,
}

/// Opens a shop, lets the buyers come, and counts.
pub async fn run(sale: &Sale) -> SaleOutcome {
    let run = Arc::new(Run::open(sale).await);
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
    async fn open(sale: &Sale) -> Self {
        let rules = Rules {
            burst: sale.burst,
            state_day: sale.state_day,
            lots_in_sort_key: sale.lots_in_sort_key,
            ..Rules::new(sale.seed)
        };
        let shop = Shop::open(rules.warm(&sale.warm), sale.jitter).await;
        let product = shop.product(PRODUCT, PRICE_CENTS, sale.units.into()).await;
        let (units, lines) = match sale.design {
            Design::Lots => {
                let of = shop.sale(&product, SALE_CENTS, sale.units, sale.rate).await;
                let lots = of.plan.lots(sale.units, 0..of.plan.lots);
                let keys = lots.map(|(lot, _)| keys::sale_lot(of.id, lot)).map(|key| (key.pk, key.sk)).collect();
                (Units { attribute: "unitsLeft", keys }, vec![line(&product, 1, Some(&of))])
            }
            Design::OneItem | Design::SortKeyShards | Design::PartitionKeyCounters => {
                (spread(&shop, &product, sale), vec![line(&product, 1, None)])
            }
        };
        Self { sale: sale.clone(), shop, lines, units }
    }

    /// Units that are left, as the engine has them.
    fn left(&self) -> i64 {
        let Units { attribute, keys } = &self.units;
        keys.iter().map(|(pk, sk)| self.shop.number(pk, sk, attribute).unwrap_or_default()).sum()
    }

    /// Units that no order has at this moment: each order is of one.
    fn free(&self) -> i64 {
        i64::from(self.sale.units) - i64::try_from(self.shop.service.orders()).unwrap_or(i64::MAX)
    }

    /// The shards that a checkout tries, in the designs that have any.
    fn shards(&self, random: &mut Random) -> Vec<Taken> {
        let taken = match self.sale.design {
            Design::OneItem | Design::Lots => return Vec::new(),
            Design::SortKeyShards => Taken::SortKeyShard,
            Design::PartitionKeyCounters => Taken::PartitionKeyCounter,
        };
        let mut shards: Vec<u8> = (0..SHARDS).collect();
        random.shuffle(&mut shards);
        shards.into_iter().take(SHARDS_TRIED).map(taken).collect()
    }

    async fn buyer(&self, buyer: usize, mut random: Random) -> Bought {
        let arrived = self.shop.service.now();
        let customer = self.shop.customer(&format!("buyer-{buyer}"), &self.lines);
        let mut transactions = 0;
        let mut answers = Vec::new();
        let end = |verdict, transactions, at: Duration, left, answers| Bought {
            verdict,
            transactions,
            took: at.saturating_sub(arrived),
            at,
            left,
            answers,
        };
        for attempt in 0..TRIES {
            if attempt > 0 {
                tokio::time::sleep(BETWEEN_TRIES.mul_f64(1.0 + random.unit())).await;
            }
            let Ok(served) = self.shop.serve() else { continue };
            served.outbox.try_shards(self.shards(&mut random));
            let answer = served.checks_out(&customer).await;
            transactions += served.outbox.attempts();
            if let Some(at) = served.outbox.placed() {
                return end(Verdict::Bought, transactions, self.shop.service.since_start(at), 0, answers);
            }
            match answer {
                Answered::Paid => return end(Verdict::Bought, transactions, self.shop.service.now(), 0, answers),
                Answered::OutOfStock => {
                    return end(Verdict::SoldOut, transactions, self.shop.service.now(), self.free(), answers);
                }
                // A try that was answered 503 may have placed the order all the same.
                Answered::Otherwise(status, code) => answers.push(format!("{status} {code}")),
            }
        }
        end(Verdict::GaveUp, transactions, self.shop.service.now(), 0, answers)
    }

    fn outcome(&self, buyers: &[Bought]) -> SaleOutcome {
        let (units, left, orders) = (i64::from(self.sale.units), self.left(), self.shop.orders());
        let placed: u64 = orders.values().sum();
        let confirmed = orders.get("confirmed").copied().unwrap_or_default();
        let of = |verdict| buyers.iter().filter(move |bought| bought.verdict == verdict);
        let refused = of(Verdict::SoldOut).count();
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
            refused,
            refused_too_early: of(Verdict::SoldOut).filter(|bought| bought.left > 0).count(),
            gave_up: of(Verdict::GaveUp).count(),
            attempts_p50: percentile(&attempts, 0.5).unwrap_or_default(),
            attempts_p99: percentile(&attempts, 0.99).unwrap_or_default(),
            time_p50: percentile(&times, 0.5).unwrap_or_default(),
            time_p99: percentile(&times, 0.99).unwrap_or_default(),
            sold_out_at: placed_at.last().copied().filter(|_| left == 0 && placed >= units.unsigned_abs()),
            placed_at,
            answers: buyers.iter().flat_map(|bought| &bought.answers).fold(BTreeMap::new(), |mut all, answer| {
                *all.entry(answer.clone()).or_default() += 1;
                all
            }),
            counts: self.shop.service.counts(),
            splits: self.shop.service.splits(),
            partitions: self.shop.service.partitions(),
            sale: self.sale.clone(),
        }
    }
}

/// Moves the units from the one stock item to where a design without lots has them.
fn spread(shop: &Shop, product: &ProductId, sale: &Sale) -> Units {
    let units = i64::from(sale.units);
    let (pk, sk) = (format!("PROD#{product}"), format!("META#{product}#STOCK#00"));
    let one = shop.stored(&pk, &sk).expect("the product has a stock item");
    let with = |pairs: &[(&str, AttributeValue)]| {
        let mut item: Item = one.clone();
        item.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        shop.service.seed(&item, TABLE);
    };
    let (text, number) = (AttributeValue::S as fn(String) -> _, |n: i64| AttributeValue::N(n.to_string()));
    let share = |at: u8| units / i64::from(SHARDS) + i64::from(i64::from(at) < units % i64::from(SHARDS));
    let shard_of = match sale.design {
        Design::SortKeyShards => |pk: &str, sk: &str, at| (pk.to_owned(), sort_key_shard(sk, at)),
        Design::PartitionKeyCounters => |pk: &str, sk: &str, at| (partition_key_counter(pk, at), sk.to_owned()),
        Design::OneItem | Design::Lots => return Units { attribute: "available", keys: vec![(pk, sk)] },
    };
    with(&[("available", number(0))]);
    let shards = (0..SHARDS).map(|at| (at, shard_of(&pk, &sk, at)));
    let keys = shards.map(|(at, (pk, sk))| {
        with(&[("PK", text(pk.clone())), ("SK", text(sk.clone())), ("available", number(share(at)))]);
        (pk, sk)
    });
    Units { attribute: "available", keys: keys.collect() }
}

impl SaleOutcome {
    /// Whether every unit is accounted for: sold, held or left.
    pub fn adds_up(&self) -> bool {
        self.sold + self.held + self.left == u64::from(self.sale.units)
    }

    /// What a sale has to be: every unit sold, once, and hardly a request refused.
    pub fn holds(&self) -> bool {
        self.sold == u64::from(self.sale.units)
            && (self.stranded, self.oversold, self.held, self.refused_too_early) == (0, 0, 0, 0)
            && self.counts.throttled_share() < 0.01
            && self.attempts_p99 <= 3
    }
}
