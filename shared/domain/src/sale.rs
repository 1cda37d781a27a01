//! Flash sales: a product at another price for a while, with units of its own.
//!
//! The units of a sale are set aside from the product's stock and spread over *lots*, items of a few units each under
//! several partition keys, so that many checkouts a second neither exceed what one partition can write nor conflict on
//! one item. What is left when the sale is over goes back to the stock.

mod known_lots;
mod lots;

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{Incarnation, Invalid, MAX_PRICE_MINOR, Money, ProductId, Quantity, UserId};

pub use known_lots::KnownLots;
pub use lots::{LotId, LotPlan, LotTake, LotsSeen, MAX_LOTS_OF_LINE};

/// The id of a sale: a UUIDv7, so that sales sort by the time they were created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaleId(Uuid);

impl SaleId {
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for SaleId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for SaleId {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        let id = Uuid::parse_str(raw).ok().filter(|id| id.to_string() == raw);
        id.map(Self).ok_or_else(|| Invalid::new("saleId", "id_invalid", "must be a UUID in lower case, with hyphens"))
    }
}

impl fmt::Display for SaleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The time from a change of a sale to its effect: longer than any environment uses what it read before, so that all of
/// them change at the same moment.
pub const SALE_LEAD: SignedDuration = SignedDuration::from_secs(5);

/// The time from the end of a sale to the return of its units: longer than a checkout that began before the end.
pub const SALE_GRACE: SignedDuration = SignedDuration::from_secs(30);

/// A sale that waits to be continued for longer than this is stuck: the sweeper continues it once a minute.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Changes that may wait for their effect at the same time.
const MAX_PENDING: usize = 8;

const MAX_LENGTH: SignedDuration = SignedDuration::from_hours(24 * 31);
const MAX_UNITS: i64 = 100_000;
const MAX_RATE: i64 = 5_000;

/// What shoppers are offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SaleTerms {
    pub price: Money,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    /// The most units that one customer can buy.
    pub limit: Option<Quantity>,
}

impl SaleTerms {
    /// # Errors
    /// It costs nothing or too much, ends before it starts, or lasts longer than 31 days.
    pub fn check(self) -> Result<Self, Invalid> {
        if !(1..=MAX_PRICE_MINOR).contains(&self.price.amount_minor()) {
            return Err(Invalid::new(
                "price",
                "price_out_of_range",
                "must be more than 0, and at most what a product costs",
            ));
        }
        let length = self.ends_at.duration_since(self.starts_at);
        if length <= SignedDuration::ZERO {
            return Err(Invalid::new("endsAt", "sale_window_invalid", "must be after startsAt"));
        }
        if length > MAX_LENGTH {
            return Err(Invalid::new("endsAt", "sale_window_invalid", "must be at most 31 days after startsAt"));
        }
        Ok(self)
    }
}

/// Terms, and since when they apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DatedTerms {
    pub active_from: Timestamp,
    pub terms: SaleTerms,
}

/// How far a sale is, apart from the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaleProgress {
    /// Its units are set aside, and this many of its lots are written. Nothing is sold from it yet.
    Preparing { lots: u32 },
    /// All lots are written. It is sold from `starts_at` to `ends_at`.
    Open,
    /// It is over. The lots of this many keys are removed, and this many units were in them.
    Closing { keys: u16, units: u32 },
    /// It is over, and this many units went back to the stock.
    Ended { units: u32 },
}

/// What happens to a sale at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SalePhase {
    Preparing,
    Scheduled,
    Active,
    /// The time is over, and the units are not back yet.
    Over,
    Ended,
}

impl SalePhase {
    pub fn as_str(self) -> &'static str {
        match self {
            SalePhase::Preparing => "preparing",
            SalePhase::Scheduled => "scheduled",
            SalePhase::Active => "active",
            SalePhase::Over => "over",
            SalePhase::Ended => "ended",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sale {
    pub id: SaleId,
    pub product: ProductId,
    /// The product's name when the sale was created, so that a checkout reads no item that every buyer reads.
    pub name: String,
    /// Of the product whose stock the units came from, and go back to.
    pub incarnation: Option<Incarnation>,
    pub units: u32,
    pub plan: LotPlan,
    /// Oldest first; at least one.
    pub terms: Vec<DatedTerms>,
    pub progress: SaleProgress,
    /// Whether no lot has a unit left, as far as the stream has shown.
    pub sold_out: bool,
    /// The member of staff who created it.
    pub by: UserId,
    pub created_at: Timestamp,
    /// The number of changes.
    pub version: u64,
}

/// What staff ask for.
#[derive(Debug, Clone)]
pub struct SaleRequest {
    pub product: ProductId,
    pub terms: SaleTerms,
    pub units: u32,
    pub plan: LotPlan,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SaleChangeError {
    #[error("the sale is over")]
    Over,
    #[error("the sale has started; its start cannot be changed")]
    Started,
    #[error("the sale was changed too often within seconds")]
    TooMany,
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Sale {
    pub fn new(
        id: SaleId,
        request: SaleRequest,
        name: String,
        incarnation: Option<Incarnation>,
        by: UserId,
        now: Timestamp,
    ) -> Self {
        let SaleRequest { product, terms, units, plan } = request;
        Self {
            id,
            product,
            name,
            incarnation,
            units,
            plan,
            terms: vec![DatedTerms { active_from: now, terms }],
            progress: SaleProgress::Preparing { lots: 0 },
            sold_out: false,
            by,
            created_at: now,
            version: 1,
        }
    }

    /// The terms that apply at a time.
    pub fn terms_at(&self, now: Timestamp) -> &SaleTerms {
        let current = self.terms.iter().rev().find(|dated| dated.active_from <= now);
        &current.or(self.terms.first()).expect("a sale has terms").terms
    }

    /// The terms of the last change, whether or not they apply already.
    pub fn latest_terms(&self) -> &SaleTerms {
        &self.terms.last().expect("a sale has terms").terms
    }

    pub fn phase(&self, now: Timestamp) -> SalePhase {
        let terms = self.terms_at(now);
        match self.progress {
            SaleProgress::Ended { .. } => SalePhase::Ended,
            SaleProgress::Closing { .. } => SalePhase::Over,
            SaleProgress::Preparing { .. } | SaleProgress::Open if now >= terms.ends_at => SalePhase::Over,
            SaleProgress::Preparing { .. } => SalePhase::Preparing,
            SaleProgress::Open if now < terms.starts_at => SalePhase::Scheduled,
            SaleProgress::Open => SalePhase::Active,
        }
    }

    /// Whether its units can be returned: no checkout that saw it active is running any more.
    pub fn can_close(&self, now: Timestamp) -> bool {
        match self.progress {
            SaleProgress::Preparing { .. } | SaleProgress::Open => now >= self.terms_at(now).ends_at + SALE_GRACE,
            SaleProgress::Closing { .. } => true,
            SaleProgress::Ended { .. } => false,
        }
    }

    /// Whether it should have been continued long ago: its lots were to be written, or its units to be returned.
    pub fn is_stuck(&self, now: Timestamp) -> bool {
        let closes_at = self.terms_at(now).ends_at + SALE_GRACE;
        match self.progress {
            SaleProgress::Preparing { .. } => now >= self.created_at + STUCK_AFTER,
            SaleProgress::Open | SaleProgress::Closing { .. } => now >= closes_at + STUCK_AFTER,
            SaleProgress::Ended { .. } => false,
        }
    }

    /// The sale with other terms, which apply in [`SALE_LEAD`].
    ///
    /// # Errors
    /// It is over, or the terms are not possible.
    pub fn change(
        &self,
        now: Timestamp,
        change: impl FnOnce(SaleTerms, Timestamp) -> SaleTerms,
    ) -> Result<Sale, SaleChangeError> {
        let (before, active_from) = (*self.latest_terms(), now + SALE_LEAD);
        let terms = change(before, active_from);
        let changed = self.with_terms(now, terms)?;
        if terms.starts_at != before.starts_at && before.starts_at <= active_from {
            return Err(SaleChangeError::Started);
        }
        terms.check()?;
        if terms.ends_at < active_from {
            return Err(Invalid::new("endsAt", "sale_window_invalid", "must be at least 5 seconds from now").into());
        }
        Ok(changed)
    }

    /// It starts as soon as every environment knows it.
    ///
    /// # Errors
    /// It is over.
    pub fn start_early(&self, now: Timestamp) -> Result<Sale, SaleChangeError> {
        let terms = *self.latest_terms();
        self.with_terms(now, SaleTerms { starts_at: terms.starts_at.min(now + SALE_LEAD), ..terms })
    }

    /// It ends as soon as every environment knows it. One that has not started never does.
    ///
    /// # Errors
    /// It is over.
    pub fn stop(&self, now: Timestamp) -> Result<Sale, SaleChangeError> {
        let terms = *self.latest_terms();
        let ends_at = terms.ends_at.min(now + SALE_LEAD);
        let starts_at = terms.starts_at.min(ends_at - SignedDuration::from_millis(1));
        self.with_terms(now, SaleTerms { starts_at, ends_at, ..terms })
    }

    fn with_terms(&self, now: Timestamp, terms: SaleTerms) -> Result<Sale, SaleChangeError> {
        if matches!(self.phase(now), SalePhase::Over | SalePhase::Ended) {
            return Err(SaleChangeError::Over);
        }
        let mut changed = self.clone();
        // What applied before the current terms is needed no more.
        let current = changed.terms.iter().rposition(|dated| dated.active_from <= now).unwrap_or(0);
        changed.terms.drain(..current);
        if changed.terms.len() >= MAX_PENDING {
            return Err(SaleChangeError::TooMany);
        }
        changed.terms.push(DatedTerms { active_from: now + SALE_LEAD, terms });
        changed.version += 1;
        Ok(changed)
    }
}

impl SaleRequest {
    /// # Errors
    /// A number is out of range, or the sale starts before every environment can know it.
    pub fn parse(product: ProductId, terms: SaleTerms, units: i64, rate: i64, now: Timestamp) -> Result<Self, Invalid> {
        let terms = terms.check()?;
        if terms.starts_at < now + SALE_LEAD {
            return Err(Invalid::new("startsAt", "sale_window_invalid", "must be at least 5 seconds from now"));
        }
        let units = u32::try_from(units).ok().filter(|units| (1..=MAX_UNITS).contains(&i64::from(*units)));
        let units = units.ok_or_else(|| Invalid::new("units", "sale_units_invalid", "must be 1 to 100,000"))?;
        let rate = u32::try_from(rate).ok().filter(|rate| (1..=MAX_RATE).contains(&i64::from(*rate)));
        let rate = rate.ok_or_else(|| Invalid::new("checkoutsPerSecond", "sale_rate_invalid", "must be 1 to 5,000"))?;
        Ok(Self { product, terms, units, plan: LotPlan::of(units, rate) })
    }
}

/// The sales that are not over, as an environment last read them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenSales(BTreeMap<ProductId, Sale>);

/// A sale that is active, with the terms of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer<'a> {
    pub sale: &'a Sale,
    pub terms: &'a SaleTerms,
}

impl OpenSales {
    pub fn new(sales: impl IntoIterator<Item = Sale>) -> Self {
        Self(sales.into_iter().map(|sale| (sale.product.clone(), sale)).collect())
    }

    /// The sale of a product, whatever its phase.
    pub fn get(&self, product: &ProductId) -> Option<&Sale> {
        self.0.get(product)
    }

    pub fn all(&self) -> impl Iterator<Item = &Sale> {
        self.0.values()
    }

    /// The sale in which a product is bought at this time.
    pub fn offer(&self, product: &ProductId, now: Timestamp) -> Option<Offer<'_>> {
        let sale = self.0.get(product).filter(|sale| sale.phase(now) == SalePhase::Active)?;
        Some(Offer { sale, terms: sale.terms_at(now) })
    }

    /// The sale of a product that is active or will be.
    pub fn announced(&self, product: &ProductId, now: Timestamp) -> Option<Offer<'_>> {
        let announced = |sale: &&Sale| matches!(sale.phase(now), SalePhase::Active | SalePhase::Scheduled);
        let sale = self.0.get(product).filter(announced)?;
        Some(Offer { sale, terms: sale.terms_at(now) })
    }

    /// All that are active or will be, by product.
    pub fn all_announced(&self, now: Timestamp) -> impl Iterator<Item = Offer<'_>> {
        self.0.keys().filter_map(move |product| self.announced(product, now))
    }
}

#[cfg(test)]
mod tests;
