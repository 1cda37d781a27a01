//! Limits that no mode of payment lifts: what one partition takes, and how fast a table on demand grows.

use crate::decimal::Decimal;

/// Units a second of one partition, and so of one key.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>
pub const PARTITION_READS: Decimal = Decimal::whole(3000);
pub const PARTITION_WRITES: Decimal = Decimal::whole(1000);

/// Units a second that a new table on demand takes at once.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>
pub const ON_DEMAND_READS: Decimal = Decimal::whole(12_000);
pub const ON_DEMAND_WRITES: Decimal = Decimal::whole(4_000);
/// After that it takes twice its previous peak, and may refuse what exceeds it within half an hour (the same page).
const ON_DEMAND_GROWTH: Decimal = Decimal::whole(2);
const ON_DEMAND_MINUTES: usize = 30;

const MINUTE: Decimal = Decimal::whole(60);

/// Minutes with what the hottest key is refused, if it has this part of each minute's demand.
pub fn refused_by_partition(demand: &[Decimal], part: Decimal, limit_a_second: Decimal) -> Vec<(usize, Decimal)> {
    beyond(demand.iter().map(|units| (units.times(part), limit_a_second.times(MINUTE))))
}

/// The largest part of the busiest minute that one key may have; none if all of it fits into one partition.
pub fn largest_part(demand: &[Decimal], limit_a_second: Decimal) -> Option<Decimal> {
    let busiest = demand.iter().copied().max()?;
    let limit = limit_a_second.times(MINUTE);
    if busiest > limit { limit.over(busiest) } else { None }
}

/// Minutes with what a table on demand may refuse, because it grows faster than twice the peak of half an hour before.
pub fn refused_on_demand(demand: &[Decimal], at_once_a_second: Decimal) -> Vec<(usize, Decimal)> {
    let mut peak = Decimal::ZERO;
    beyond(demand.iter().enumerate().map(|(minute, units)| {
        if let Some(before) = minute.checked_sub(ON_DEMAND_MINUTES) {
            peak = peak.max(demand[before]);
        }
        (*units, at_once_a_second.times(MINUTE).max(peak.times(ON_DEMAND_GROWTH)))
    }))
}

/// Of each minute's units and limit, the minutes above it.
fn beyond(minutes: impl Iterator<Item = (Decimal, Decimal)>) -> Vec<(usize, Decimal)> {
    let above = minutes.enumerate().filter(|(_, (units, limit))| units > limit);
    above.map(|(minute, (units, limit))| (minute, units - limit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_second(rates: &[u64]) -> Vec<Decimal> {
        rates.iter().map(|rate| Decimal::whole(rate * 60)).collect()
    }

    #[test]
    fn a_key_with_too_much_of_the_writes_is_refused_the_rest() {
        let refused = refused_by_partition(&a_second(&[1000, 2000]), Decimal::percent(60), PARTITION_WRITES);

        assert_eq!(refused, [(1, Decimal::whole(200 * 60))]);
    }

    #[test]
    fn the_part_that_one_key_may_have_is_that_of_the_busiest_minute() {
        assert_eq!(largest_part(&a_second(&[10, 4000]), PARTITION_WRITES), Some(Decimal::percent(25)));
        assert_eq!(largest_part(&a_second(&[1000]), PARTITION_WRITES), None);
    }

    #[test]
    fn on_demand_takes_twice_the_peak_of_half_an_hour_before() {
        let mut rates = vec![5000];
        rates.extend([10; 28]);
        rates.extend([9000, 9000]);

        let refused = refused_on_demand(&a_second(&rates), ON_DEMAND_WRITES);

        // The first minute exceeds what a new table takes; minute 29 comes too early for twice of it, minute 30 does not.
        assert_eq!(refused, [(0, Decimal::whole(1000 * 60)), (29, Decimal::whole(5000 * 60))]);
    }
}
