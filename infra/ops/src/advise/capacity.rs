//! Provisioned capacity with the burst that it saves, and what a month of it comes to.

use crate::decimal::Decimal;

/// DynamoDB keeps the unused capacity of so many seconds. It is best effort, so a table may refuse more than is counted
/// here. <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html>
const BURST_SECONDS: u64 = 300;

#[derive(Clone, Debug)]
pub struct Capacity {
    /// For each second.
    units: Decimal,
    burst: Decimal,
}

impl Capacity {
    /// After five minutes without a request.
    pub fn of(units: Decimal) -> Self {
        Self { units, burst: units.times(Decimal::whole(BURST_SECONDS)) }
    }

    pub fn becomes(&mut self, units: Decimal) {
        self.units = units;
    }

    pub fn units(&self) -> Decimal {
        self.units
    }

    /// What of a minute's demand is served.
    pub fn serve(&mut self, demand: Decimal) -> Decimal {
        let there = self.units.times(Decimal::whole(60)) + self.burst;
        let served = demand.min(there);
        self.burst = (there - served).min(self.units.times(Decimal::whole(BURST_SECONDS)));
        served
    }
}

/// What was provisioned in each minute, and what was refused.
#[derive(Clone, Debug, Default)]
pub struct Month {
    pub units: Vec<Decimal>,
    /// Minutes with what each of them refused.
    pub refusals: Vec<(usize, Decimal)>,
}

impl Month {
    pub fn count(&mut self, minute: usize, units: Decimal, refused: Decimal) {
        self.units.push(units);
        self.refusals.extend((refused > Decimal::ZERO).then_some((minute, refused)));
    }

    /// Units for an hour. An hour is charged for the most that was provisioned in it: an upper bound, where AWS documents
    /// no rule.
    pub fn unit_hours(&self) -> Decimal {
        let hour = |minutes: &[Decimal]| {
            let most = minutes.iter().copied().max().unwrap_or_default();
            most.times(Decimal::whole(minutes.len() as u64).over(Decimal::whole(60)).unwrap_or_default())
        };
        self.units.chunks(60).map(hour).sum()
    }

    #[cfg(test)]
    pub fn refused(&self) -> Decimal {
        self.refusals.iter().map(|(_, units)| *units).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of <https://repost.aws/knowledge-center/dynamodb-spiky-workloads-short-intervals>.
    #[test]
    fn what_150_units_save_serves_200_a_second_for_15_minutes() {
        let mut capacity = Capacity::of(Decimal::whole(150));
        let minute = Decimal::whole(200 * 60);

        let served = (0..20).take_while(|_| capacity.serve(minute) == minute).count();

        assert_eq!(served, 15);
    }

    #[test]
    fn an_hour_costs_the_most_that_it_had() {
        let mut month = Month::default();
        (0..60)
            .for_each(|minute| month.count(minute, Decimal::whole(if minute == 30 { 20 } else { 10 }), Decimal::ZERO));
        (60..90).for_each(|minute| month.count(minute, Decimal::whole(10), Decimal::ONE));

        assert_eq!(month.unit_hours(), Decimal::whole(25));
        assert_eq!(month.refused(), Decimal::whole(30));
    }
}
