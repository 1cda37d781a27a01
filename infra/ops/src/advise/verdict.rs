//! What each mode costs, what it would have refused, and which is advised.

use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;

use super::{
    capacity::{Capacity, Month},
    demand::Demand,
    limits,
    scaling::{Policy, simulate},
};
use crate::{
    costs::{HOURS, Item, PriceList},
    decimal::Decimal,
};

/// Hours that are listed, those that refuse most first.
const HOURS_LISTED: usize = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    OnDemand,
    /// Auto Scaling.
    Scaled,
    /// For the busiest minute, all the time.
    Fixed,
}

/// The part of the table's demand that the hottest key has.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct HottestKey {
    pub reads: Decimal,
    pub writes: Decimal,
}

/// Amounts are in US dollars for a month of 730 hours like those of the file.
#[derive(Clone, Debug, Serialize)]
pub struct Advice {
    pub start: Timestamp,
    pub hours: Decimal,
    pub period_minutes: u32,
    pub reads: Side,
    pub writes: Side,
    pub on_demand_usd: Decimal,
    pub scaled_usd: Decimal,
    pub fixed_usd: Decimal,
    /// The mode that costs least, whatever it refuses.
    pub cheapest: Mode,
    /// The mode that costs least of those that would have refused nothing, but for what one partition refuses in each.
    pub advised: Mode,
    pub hottest_key: Option<HottestKey>,
}

/// Reads, or writes.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    pub average_a_second: Decimal,
    pub busiest_a_second: Decimal,
    pub on_demand_usd: Decimal,
    pub scaled_usd: Decimal,
    pub fixed_usd: Decimal,
    pub scaled_units_most: Decimal,
    pub fixed_units: Decimal,
    pub refused_on_demand: Refused,
    pub refused_scaled: Refused,
    pub refused_fixed: Refused,
    /// In every mode.
    pub refused_by_partition: Option<Refused>,
    /// The largest part of the busiest minute that one key may have; none if one partition takes all of it.
    pub largest_part_of_a_key: Option<Decimal>,
}

/// Requests that would have been throttled, as units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Refused {
    pub minutes: usize,
    pub units: Decimal,
    pub first: Option<Timestamp>,
    /// The hours in which most is refused, beginning with the first of them in time.
    pub hours: Vec<Hour>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hour {
    pub start: Timestamp,
    pub minutes: usize,
    pub units: Decimal,
}

/// What a side's requests and capacity cost, and what one partition takes of them.
struct Kind {
    request: Item,
    hour: Item,
    at_once: Decimal,
    partition: Decimal,
}

const READS: Kind = Kind {
    request: Item::Rru,
    hour: Item::RcuHour,
    at_once: limits::ON_DEMAND_READS,
    partition: limits::PARTITION_READS,
};
const WRITES: Kind = Kind {
    request: Item::Wru,
    hour: Item::WcuHour,
    at_once: limits::ON_DEMAND_WRITES,
    partition: limits::PARTITION_WRITES,
};

impl Advice {
    pub fn of(demand: &Demand, policy: &Policy, hottest_key: Option<HottestKey>, prices: &PriceList) -> Self {
        let side = |kind: &Kind, units: &[Decimal], part: Option<Decimal>| {
            Side::of(kind, demand.start, units, policy, part, prices)
        };
        let reads = side(&READS, &demand.reads, hottest_key.map(|key| key.reads));
        let writes = side(&WRITES, &demand.writes, hottest_key.map(|key| key.writes));
        let costs = [
            (Mode::OnDemand, reads.on_demand_usd + writes.on_demand_usd),
            (Mode::Scaled, reads.scaled_usd + writes.scaled_usd),
            (Mode::Fixed, reads.fixed_usd + writes.fixed_usd),
        ];
        let refuses = |mode: Mode| [&reads, &writes].iter().any(|side| side.refused(mode).minutes > 0);
        let cheapest = |modes: &mut dyn Iterator<Item = &(Mode, Decimal)>| modes.min_by_key(|(_, cost)| *cost).copied();
        let (least, _) = cheapest(&mut costs.iter()).unwrap_or(costs[0]);
        let advised = cheapest(&mut costs.iter().filter(|(mode, _)| !refuses(*mode)));
        let [(_, on_demand_usd), (_, scaled_usd), (_, fixed_usd)] = costs;
        Self {
            start: demand.start,
            hours: hours(demand.minutes()),
            period_minutes: demand.period_minutes,
            on_demand_usd,
            scaled_usd,
            fixed_usd,
            cheapest: least,
            // If each refuses something, on demand refuses it only while it grows.
            advised: advised.map_or(Mode::OnDemand, |(mode, _)| mode),
            hottest_key,
            reads,
            writes,
        }
    }

    pub fn usd(&self, mode: Mode) -> Decimal {
        match mode {
            Mode::OnDemand => self.on_demand_usd,
            Mode::Scaled => self.scaled_usd,
            Mode::Fixed => self.fixed_usd,
        }
    }

    /// The part of the cost on demand that a mode saves; negative if it costs more.
    pub fn saved(&self, mode: Mode) -> Decimal {
        (self.on_demand_usd - self.usd(mode)).over(self.on_demand_usd).unwrap_or_default()
    }
}

impl Side {
    fn of(
        kind: &Kind,
        start: Timestamp,
        demand: &[Decimal],
        policy: &Policy,
        part: Option<Decimal>,
        prices: &PriceList,
    ) -> Self {
        let a_second = |units: Decimal| units.over(Decimal::whole(60)).unwrap_or_default();
        let busiest = a_second(demand.iter().copied().max().unwrap_or_default());
        let minute_of_day = usize::try_from(start.as_second().div_euclid(60).rem_euclid(24 * 60)).unwrap_or_default();
        let scaled = simulate(demand, policy, minute_of_day);
        let fixed = fixed(demand, policy.units(busiest));
        let in_all: Decimal = demand.iter().copied().sum();
        let a_month = |cost: Decimal| cost.times(Decimal::whole(HOURS)).over(hours(demand.len())).unwrap_or_default();
        let refused = |refusals: &[(usize, Decimal)]| Refused::of(refusals, start);
        Self {
            average_a_second: in_all.over(Decimal::whole(60 * demand.len() as u64)).unwrap_or_default(),
            busiest_a_second: busiest,
            on_demand_usd: a_month(prices.cost(kind.request, in_all)),
            scaled_usd: a_month(prices.cost(kind.hour, scaled.unit_hours())),
            fixed_usd: a_month(prices.cost(kind.hour, fixed.unit_hours())),
            scaled_units_most: scaled.units.iter().copied().max().unwrap_or_default(),
            fixed_units: policy.units(busiest),
            refused_on_demand: refused(&limits::refused_on_demand(demand, kind.at_once)),
            refused_scaled: refused(&scaled.refusals),
            refused_fixed: refused(&fixed.refusals),
            refused_by_partition: part.map(|part| refused(&limits::refused_by_partition(demand, part, kind.partition))),
            largest_part_of_a_key: limits::largest_part(demand, kind.partition),
        }
    }

    pub fn refused(&self, mode: Mode) -> &Refused {
        match mode {
            Mode::OnDemand => &self.refused_on_demand,
            Mode::Scaled => &self.refused_scaled,
            Mode::Fixed => &self.refused_fixed,
        }
    }
}

/// Capacity that stays as it is. It refuses something only if the maximum is less than the busiest minute needs.
fn fixed(demand: &[Decimal], units: Decimal) -> Month {
    let (mut capacity, mut month) = (Capacity::of(units), Month::default());
    for (minute, demand) in demand.iter().enumerate() {
        let served = capacity.serve(*demand);
        month.count(minute, units, *demand - served);
    }
    month
}

fn hours(minutes: usize) -> Decimal {
    Decimal::whole(minutes as u64).over(Decimal::whole(60)).unwrap_or_default()
}

impl Refused {
    fn of(refusals: &[(usize, Decimal)], start: Timestamp) -> Self {
        let at =
            |minute: usize| start.checked_add(i64::try_from(minute).unwrap_or_default().minutes()).unwrap_or(start);
        // Hours of the clock.
        let hour_of =
            |time: Timestamp| Timestamp::from_second(time.as_second().div_euclid(3600) * 3600).unwrap_or(time);
        let mut hours: Vec<Hour> = Vec::new();
        for (minute, units) in refusals {
            let start = hour_of(at(*minute));
            match hours.last_mut().filter(|hour| hour.start == start) {
                Some(hour) => {
                    hour.minutes += 1;
                    hour.units += *units;
                }
                None => hours.push(Hour { start, minutes: 1, units: *units }),
            }
        }
        hours.sort_by_key(|hour| std::cmp::Reverse(hour.units));
        hours.truncate(HOURS_LISTED);
        hours.sort_by_key(|hour| hour.start);
        Self {
            minutes: refusals.len(),
            units: refusals.iter().map(|(_, units)| *units).sum(),
            first: refusals.first().map(|(minute, _)| at(*minute)),
            hours,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advise::{SAMPLES, scaling::REACTION_MINUTES};

    fn policy(maximum: u64) -> Policy {
        Policy {
            target: Decimal::percent(70),
            minimum: Decimal::whole(5),
            maximum: Decimal::whole(maximum),
            reaction_minutes: REACTION_MINUTES,
        }
    }

    fn sample(name: &str, hottest_key: Option<HottestKey>) -> Advice {
        let (_, text) = SAMPLES.iter().find(|(sample, _)| *sample == name).unwrap();
        Advice::of(&Demand::parse(text, None).unwrap(), &policy(1000), hottest_key, &PriceList::built_in())
    }

    /// 70 of 100 read units and 35 of 50 write units are consumed all the time, so capacity costs 0.2889 ÷ 0.7 = 41.3 % of
    /// what requests cost, and saves 58.7 %. The story says 65 %.
    #[test]
    fn a_steady_catalogue_saves_59_percent() {
        let advice = sample("steady-catalogue", None);

        assert_eq!((advice.advised, advice.cheapest), (Mode::Scaled, Mode::Scaled));
        // 70 × 3,600 × 730 × 0.125 ÷ 1,000,000, and 100 × 730 × 0.00013.
        assert_eq!(advice.reads.on_demand_usd.to_fixed(3), "22.995");
        assert_eq!(advice.reads.scaled_usd.to_fixed(2), "9.49");
        // 35 × 3,600 × 730 × 0.625 ÷ 1,000,000, and 50 × 730 × 0.00065.
        assert_eq!(advice.writes.on_demand_usd.to_fixed(4), "57.4875");
        assert_eq!(advice.writes.scaled_usd.to_fixed(3), "23.725");
        assert_eq!(advice.saved(Mode::Scaled).to_fixed(4), "0.5873");
        assert_eq!(advice.reads.refused_scaled, Refused::default());
        assert_eq!(advice.writes.refused_scaled, Refused::default());
    }

    /// Twenty minutes of 2,400 reads and 2,000 writes a second at noon, after 10 and 2.
    #[test]
    fn a_flash_sale_breaks_provisioned_capacity_at_noon() {
        let key = HottestKey { reads: Decimal::percent(50), writes: Decimal::percent(60) };
        let advice = sample("flash-sale", Some(key));

        let noon: Timestamp = "2026-11-06T12:00:00Z".parse().unwrap();
        assert_eq!(advice.advised, Mode::OnDemand);
        for side in [&advice.reads, &advice.writes] {
            assert_eq!(side.refused_scaled.first, Some(noon));
            assert_eq!(side.refused_scaled.hours.iter().map(|hour| hour.start).collect::<Vec<_>>(), [noon]);
            assert_eq!(side.refused_on_demand, Refused::default());
        }
        // 1,420 × 600 + 20 × 144,000 reads, and 1,420 × 120 + 20 × 120,000 writes, in a day.
        let a_month = Decimal::whole(730).over(Decimal::whole(24)).unwrap();
        let requests = |rru: u64, wru: u64| {
            let prices = PriceList::built_in();
            (prices.cost(Item::Rru, Decimal::whole(rru)) + prices.cost(Item::Wru, Decimal::whole(wru))).times(a_month)
        };
        assert_eq!(advice.on_demand_usd.to_fixed(6), requests(3_732_000, 2_570_400).to_fixed(6));
        // 60 % of 2,000 writes a second are 200 more than a partition takes, in every mode.
        let partition = advice.writes.refused_by_partition.unwrap();
        assert_eq!((partition.minutes, partition.units), (20, Decimal::whole(20 * 200 * 60)));
        assert_eq!(advice.reads.refused_by_partition, Some(Refused::default()));
        assert_eq!(advice.writes.largest_part_of_a_key, Some(Decimal::percent(50)));
    }

    /// 500 writes a second from 02:00 to 03:00 on each of seven days, after 1.
    #[test]
    fn a_nightly_import_breaks_provisioned_capacity_at_two() {
        let advice = sample("nightly-import", None);

        let refused = &advice.writes.refused_scaled;
        let first: Timestamp = "2026-11-02T02:00:00Z".parse().unwrap();
        assert_eq!(advice.advised, Mode::OnDemand);
        assert_eq!(refused.first, Some(first));
        assert!(refused.hours.iter().all(|hour| hour.start.to_string().ends_with("T02:00:00Z")), "{refused:?}");
        // 5 units serve 300 in the first minute, and have saved 1,500.
        assert_eq!(refused.hours[0].start, first);
        // 3,600 × 500 + 23 × 3,600 × 1 writes a day, 0.625 dollars a million.
        let a_day = PriceList::built_in().cost(Item::Wru, Decimal::whole(1_882_800));
        let a_month = a_day.times(Decimal::whole(730)).over(Decimal::whole(24)).unwrap();
        assert_eq!(advice.writes.on_demand_usd.to_fixed(6), a_month.to_fixed(6));
    }

    #[test]
    fn the_document_has_the_advice_for_each_sample() {
        let row = |(name, _): &(&str, &str)| {
            let advice = sample(name, None);
            let refused = [&advice.reads, &advice.writes].map(|side| &side.refused_scaled);
            let units: Decimal = refused.iter().map(|refused| refused.units).sum();
            let what = match refused[1].first {
                Some(first) => format!("{} units, from {} on", units.to_text(0), first.strftime("%H:%M")),
                None => "nothing".to_owned(),
            };
            let saved = advice.saved(Mode::Scaled).times(Decimal::whole(100)).to_fixed(1);
            let [on_demand, scaled] = [advice.on_demand_usd, advice.scaled_usd].map(|usd| usd.to_text(2));
            let advised = if advice.advised == Mode::Scaled { "Auto Scaling" } else { "on demand" };
            format!("| `{name}` | {on_demand} | {scaled} | {saved} % | {what} | {advised} |")
        };

        let rows = SAMPLES.iter().map(row).collect::<Vec<_>>().join("\n");

        let document = include_str!("../../../../docs/costs.md");
        assert!(document.contains(&rows), "docs/costs.md has to have the rows\n{rows}");
    }

    #[test]
    fn a_maximum_that_is_too_small_refuses_the_rest_in_both_provisioned_modes() {
        let (_, text) = SAMPLES[0];
        let demand = Demand::parse(text, None).unwrap();

        let advice = Advice::of(&demand, &policy(20), None, &PriceList::built_in());

        assert_eq!((advice.cheapest, advice.advised), (Mode::Scaled, Mode::OnDemand));
        assert!(advice.reads.refused_fixed.units > Decimal::ZERO);
    }
}
