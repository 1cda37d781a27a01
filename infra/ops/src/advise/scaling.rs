//! Capacity that Auto Scaling adjusts, minute by minute: what it costs, and what it refuses.

use super::capacity::{Capacity, Month};
use crate::{costs::Known, decimal::Decimal};

/// Auto Scaling acts when two consecutive minutes are above the target.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html>
const MINUTES_ABOVE: usize = 2;
/// And when 15 consecutive minutes are below it (the same page), by 20 % or more:
/// <https://repost.aws/knowledge-center/dynamodb-auto-scaling>
const MINUTES_BELOW: usize = 15;
const BELOW_BY: Decimal = Decimal::percent(20);
/// The alarm may take "up to a few minutes", and the table "several minutes" (the same page). In all, without an option.
pub const REACTION_MINUTES: usize = 5;
/// Four decreases at any time of a UTC day, and one more where the hour before had none.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
const DECREASES_AT_ANY_TIME: u32 = 4;
const MINUTES_BETWEEN_FURTHER: usize = 60;
const MINUTES_A_DAY: usize = 24 * 60;

/// The settings of Auto Scaling.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// The part of what is provisioned that is to be consumed.
    pub target: Decimal,
    pub minimum: Decimal,
    pub maximum: Decimal,
    pub reaction_minutes: usize,
}

/// What the templates deploy.
impl Default for Policy {
    fn default() -> Self {
        let settings = Known::built_in().provisioned;
        Self {
            target: Decimal::percent(settings.target_percent),
            minimum: Decimal::whole(settings.minimum),
            maximum: Decimal::whole(settings.maximum),
            reaction_minutes: REACTION_MINUTES,
        }
    }
}

impl Policy {
    /// Units that hold this many a second at the target.
    pub fn units(&self, a_second: Decimal) -> Decimal {
        a_second.over(self.target).unwrap_or_default().ceil().max(self.minimum).min(self.maximum)
    }
}

/// A month of one kind of units, with each minute's demand. `first_minute` is that of its UTC day.
///
/// Auto Scaling sees what was consumed, not what was refused. It begins with what the first minute needs.
pub fn simulate(demand: &[Decimal], policy: &Policy, first_minute: usize) -> Month {
    let a_second = |units: Decimal| units.over(Decimal::whole(60)).unwrap_or_default();
    let mut capacity = Capacity::of(policy.units(a_second(demand.first().copied().unwrap_or_default())));
    let mut month = Month::default();
    let mut quota = Decreases::default();
    let (mut above, mut below) = (0, 0);
    let mut pending: Option<(usize, Decimal)> = None;
    let mut consumed = Vec::with_capacity(demand.len());
    for (minute, units) in demand.iter().enumerate() {
        if let Some((_, changed)) = pending.take_if(|(from, _)| *from <= minute) {
            capacity.becomes(changed);
        }
        let served = capacity.serve(*units);
        month.count(minute, capacity.units(), *units - served);
        consumed.push(a_second(served));

        let limit = capacity.units();
        let is_above = a_second(served) > limit.times(policy.target);
        let is_below = a_second(served) <= limit.times(policy.target - BELOW_BY);
        (above, below) = (if is_above { above + 1 } else { 0 }, if is_below { below + 1 } else { 0 });
        if pending.is_some() {
            continue;
        }
        let highest = |minutes: usize| consumed.iter().rev().take(minutes).copied().max().unwrap_or_default();
        let from = minute + 1 + policy.reaction_minutes;
        if above >= MINUTES_ABOVE {
            let wanted = policy.units(highest(MINUTES_ABOVE));
            if wanted > limit {
                pending = Some((from, wanted));
                above = 0;
            }
        } else if below >= MINUTES_BELOW {
            let wanted = policy.units(highest(MINUTES_BELOW));
            if wanted < limit && quota.allows(first_minute + minute) {
                pending = Some((from, wanted));
                below = 0;
            }
        }
    }
    month
}

/// How often capacity was decreased on this day.
#[derive(Default)]
struct Decreases {
    day: usize,
    of_day: u32,
    last: Option<usize>,
}

impl Decreases {
    fn allows(&mut self, minute: usize) -> bool {
        if minute / MINUTES_A_DAY != self.day {
            (self.day, self.of_day) = (minute / MINUTES_A_DAY, 0);
        }
        let rested = self.last.is_none_or(|last| minute - last >= MINUTES_BETWEEN_FURTHER);
        let allowed = self.of_day < DECREASES_AT_ANY_TIME || rested;
        if allowed {
            self.of_day += 1;
            self.last = Some(minute);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: Policy = Policy {
        target: Decimal::percent(70),
        minimum: Decimal::whole(5),
        maximum: Decimal::whole(1000),
        reaction_minutes: REACTION_MINUTES,
    };

    /// Units of a minute, for so many a second.
    fn minutes(parts: &[(u64, usize)]) -> Vec<Decimal> {
        parts.iter().flat_map(|(a_second, times)| std::iter::repeat_n(Decimal::whole(a_second * 60), *times)).collect()
    }

    fn units(month: &Month) -> Vec<String> {
        let mut units: Vec<_> = month.units.iter().map(ToString::to_string).collect();
        units.dedup();
        units
    }

    #[test]
    fn what_is_at_the_target_stays_as_it_is() {
        let month = simulate(&minutes(&[(70, 1000)]), &POLICY, 0);

        assert_eq!(units(&month), ["100"]);
        assert_eq!(month.refused(), Decimal::ZERO);
    }

    #[test]
    fn two_minutes_above_the_target_raise_capacity_some_minutes_later() {
        // 75 % of 100, which is above the target and refuses nothing.
        let month = simulate(&minutes(&[(70, 10), (75, 20)]), &POLICY, 0);

        assert_eq!(units(&month), ["100", "108"]);
        // Minutes 10 and 11 are above; it takes effect after five more.
        assert_eq!(month.units.iter().position(|units| *units == Decimal::whole(108)), Some(17));
    }

    #[test]
    fn one_minute_above_the_target_changes_nothing() {
        assert_eq!(units(&simulate(&minutes(&[(70, 10), (90, 1), (70, 50)]), &POLICY, 0)), ["100"]);
    }

    #[test]
    fn a_sudden_sale_is_served_from_the_burst_and_then_refused() {
        // 5 units, unused: 300 seconds of them are kept.
        let month = simulate(&minutes(&[(0, 60), (500, 60)]), &POLICY, 0);

        let first = month.refusals.first().unwrap();
        assert_eq!((first.0, first.1), (60, Decimal::whole(500 * 60 - 5 * 60 - 5 * 300)));
        assert!(month.refusals.len() > 30, "scaling needs more than half of the hour");
    }

    #[test]
    fn fifteen_minutes_far_below_the_target_lower_capacity() {
        let month = simulate(&minutes(&[(70, 10), (35, 40)]), &POLICY, 0);

        assert_eq!(units(&month), ["100", "50"]);
        assert_eq!(month.units.iter().position(|units| *units == Decimal::whole(50)), Some(10 + 15 + 5));
    }

    #[test]
    fn a_little_below_the_target_lowers_nothing() {
        assert_eq!(units(&simulate(&minutes(&[(70, 10), (51, 200)]), &POLICY, 0)), ["100"]);
    }

    #[test]
    fn a_day_has_27_decreases() {
        let mut quota = Decreases::default();

        let allowed = (0..MINUTES_A_DAY).filter(|minute| quota.allows(*minute)).count();
        let next_day = quota.allows(MINUTES_A_DAY);

        assert_eq!((allowed, next_day), (27, true));
    }

    #[test]
    fn the_maximum_is_not_exceeded() {
        let month = simulate(&minutes(&[(10, 60), (5000, 600)]), &POLICY, 0);

        assert_eq!(month.units.iter().max(), Some(&Decimal::whole(1000)));
    }

    proptest! {
        #[test]
        fn nothing_is_served_twice_and_capacity_stays_within_its_limits(
            demand in prop::collection::vec(0_u64..100_000, 1..400),
        ) {
            let demand: Vec<_> = demand.into_iter().map(Decimal::whole).collect();

            let month = simulate(&demand, &POLICY, 0);

            prop_assert!(month.refused() <= demand.iter().copied().sum());
            prop_assert!(month.units.iter().all(|units| (POLICY.minimum..=POLICY.maximum).contains(units)));
            prop_assert_eq!(month.units.len(), demand.len());
        }
    }
}
