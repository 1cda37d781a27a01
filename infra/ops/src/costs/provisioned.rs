//! The same month with capacity that is provisioned, and where the two modes cost the same.

use serde::Serialize;

use super::{
    bill::{Bill, HOURS},
    known::Provisioned,
    prices::{Item, PriceList},
    profile::Load,
    usage::Usage,
};
use crate::decimal::Decimal;

const SECONDS_AN_HOUR: u64 = 3600;

/// Read and write units, each for a second or, provisioned, for every second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Units {
    pub reads: Decimal,
    pub writes: Decimal,
}

/// Capacity of the table with its indexes.
#[derive(Clone, Debug, Serialize)]
pub struct Capacity {
    /// Consumed, on average of the month.
    pub average: Units,
    /// Provisioned, on average of the month, if scaling keeps the target in each hour's busiest minute.
    pub scaled: Units,
    /// Provisioned all the time, for the busiest minute of the busiest hour.
    pub fixed: Units,
    pub minimum: Decimal,
    pub target: Decimal,
    pub load: LoadFactors,
    pub alarm_metrics: Decimal,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct LoadFactors {
    pub busiest_hour: Decimal,
    pub busiest_minute: Decimal,
}

pub fn capacity(usage: &Usage, load: &Load, settings: &Provisioned) -> Capacity {
    let target = Decimal::percent(settings.target_percent);
    let minimum = Decimal::whole(settings.tables_and_indexes * settings.minimum);
    let average = Units { reads: a_second(usage.of(Item::Rru)), writes: a_second(usage.of(Item::Wru)) };
    let with = |factor: Decimal| {
        let units = |average: Decimal| average.times(factor).over(target).unwrap_or_default().ceil().max(minimum);
        Units { reads: units(average.reads), writes: units(average.writes) }
    };
    Capacity {
        average,
        scaled: with(load.busiest_minute),
        fixed: with(load.busiest_minute.times(load.busiest_hour)),
        minimum,
        target,
        load: LoadFactors { busiest_hour: load.busiest_hour, busiest_minute: load.busiest_minute },
        alarm_metrics: Decimal::whole(settings.alarm_metrics),
    }
}

fn a_second(units: Decimal) -> Decimal {
    units.over(Decimal::whole(HOURS * SECONDS_AN_HOUR)).unwrap_or_default()
}

/// Where provisioned capacity costs what requests on demand cost.
#[derive(Clone, Debug, Serialize)]
pub struct BreakEven {
    /// The part of provisioned capacity that has to be consumed, of reads and of writes.
    pub consumed: Units,
    /// The multiple of an hour's average that its busiest minute may be, at the target.
    pub busiest_minute: Decimal,
    /// The multiple of this month's traffic from which on provisioned costs less; none if no traffic of this shape does.
    pub traffic: Option<Decimal>,
}

impl BreakEven {
    pub fn of(bill: &Bill, prices: &PriceList) -> Self {
        let consumed = Units {
            reads: consumed(prices, Item::Rru, Item::RcuHour),
            writes: consumed(prices, Item::Wru, Item::WcuHour),
        };
        let Capacity { target, load, minimum, average, alarm_metrics, .. } = &bill.capacity;
        // Reads and writes have the same break-even at today's prices; the stricter one counts if they ever differ.
        let busiest_minute = target.over(consumed.reads.max(consumed.writes)).unwrap_or_default();
        let cost = |units: &Units| {
            let a_month = Decimal::whole(HOURS);
            prices.cost(Item::RcuHour, units.reads.times(a_month))
                + prices.cost(Item::WcuHour, units.writes.times(a_month))
        };
        let on_demand =
            prices.cost(Item::Rru, bill.usage.of(Item::Rru)) + prices.cost(Item::Wru, bill.usage.of(Item::Wru));
        // For so many times the traffic.
        let provisioned = |times: Decimal| {
            let units = |average: Decimal| {
                average.times(times).times(load.busiest_minute).over(*target).unwrap_or_default().max(*minimum)
            };
            cost(&Units { reads: units(average.reads), writes: units(average.writes) })
                + prices.cost(Item::AlarmMetric, *alarm_metrics)
        };
        let traffic = (load.busiest_minute < busiest_minute && on_demand > Decimal::ZERO)
            .then(|| smallest(|times| provisioned(times) <= on_demand.times(times)))
            .flatten();
        Self { consumed, busiest_minute, traffic }
    }
}

/// The part of a unit that has to be consumed until a unit for an hour costs as much as what is consumed.
fn consumed(prices: &PriceList, request: Item, hour: Item) -> Decimal {
    let full = prices.cost(request, Decimal::whole(SECONDS_AN_HOUR));
    prices.cost(hour, Decimal::ONE).over(full).unwrap_or_default()
}

/// The smallest multiple, to a thousandth, from which on something holds, if it holds for a million.
fn smallest(holds: impl Fn(Decimal) -> bool) -> Option<Decimal> {
    let (mut low, mut high) = (0_u64, 1_000_000_000);
    let thousandths = |n: u64| Decimal::whole(n).over(Decimal::whole(1000)).unwrap_or_default();
    if !holds(thousandths(high)) {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match holds(thousandths(middle)) {
            true => high = middle,
            false => low = middle,
        }
    }
    Some(thousandths(high))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::costs::{known::Known, profile::Profile};

    fn bill(requests: u64, load: &str) -> Bill {
        let known = Known::built_in();
        let text = format!("name = \"a\"\n[requests]\n\"POST /orders\" = {requests}\n[load]\n{load}");
        Bill::of(&Profile::parse(&text, &known).unwrap(), &known)
    }

    #[test]
    fn a_unit_pays_for_itself_when_29_percent_are_used() {
        let even = BreakEven::of(&bill(1, ""), &PriceList::built_in());

        assert_eq!(even.consumed.reads.to_fixed(4), "0.2889");
        assert_eq!(even.consumed.writes.to_fixed(4), "0.2889");
        assert_eq!(even.busiest_minute.to_fixed(2), "2.42");
    }

    #[test]
    fn capacity_holds_the_busiest_minute_at_the_target() {
        let of_one = bill(1, "").usage.of(Item::Wru);
        let a_month_of_100 = Decimal::whole(100 * HOURS * SECONDS_AN_HOUR).over(of_one).unwrap();
        let requests = a_month_of_100.to_fixed(0).parse().unwrap();

        let capacity = bill(requests, "busiest_hour = 3\nbusiest_minute = 1.39").capacity;

        assert_eq!(capacity.average.writes.to_fixed(2), "100.00");
        // 139 of 199 units are 70 %, and 417 of 596.
        assert_eq!(capacity.scaled.writes, Decimal::whole(199));
        assert_eq!(capacity.fixed.writes, Decimal::whole(596));
    }

    #[test]
    fn a_small_shop_pays_for_the_least_capacity() {
        let bill = bill(1, "");

        assert_eq!(bill.capacity.scaled, Units { reads: Decimal::whole(45), writes: Decimal::whole(45) });
        assert_eq!(bill.capacity.scaled, bill.capacity.fixed);
    }

    #[test]
    fn uneven_hours_are_never_cheaper_provisioned() {
        assert_eq!(BreakEven::of(&bill(1_000_000, "busiest_minute = 2.5"), &PriceList::built_in()).traffic, None);
    }

    proptest! {
        #[test]
        fn at_the_break_even_both_modes_cost_the_same(requests in 1_000_u64..100_000_000, tenths in 10_u64..24) {
            let (prices, load) = (PriceList::built_in(), format!("busiest_minute = {}.{}", tenths / 10, tenths % 10));
            let bill = bill(requests, &load);

            let traffic = BreakEven::of(&bill, &prices).traffic.unwrap();

            let scaled = bill.scaled().cost(&prices);
            let on_demand = bill.total(&prices);
            // Units are whole, so at the margin the sides may differ by one unit of each.
            let unit = prices.cost(Item::RcuHour, Decimal::whole(730)) + prices.cost(Item::WcuHour, Decimal::whole(730));
            match traffic <= Decimal::ONE {
                true => prop_assert!(scaled <= on_demand + unit, "{scaled} {on_demand} {traffic}"),
                false => prop_assert!(scaled + unit >= on_demand, "{scaled} {on_demand} {traffic}"),
            }
        }
    }
}
