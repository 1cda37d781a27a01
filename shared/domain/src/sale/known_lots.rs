use jiff::{SignedDuration, Timestamp};

use super::{LotId, LotTake, LotsSeen};

/// How long a read is used at most, and by a checkout that has found a lot with less than was believed: then most of what
/// else is believed is wrong as well.
const FRESH: SignedDuration = SignedDuration::from_secs(1);
const FRESH_AFTER_A_MISS: SignedDuration = SignedDuration::from_millis(50);

/// How long a sale that was found to be sold out is said to be so without another look, once it is listed as sold out. Held
/// units may come back.
const SOLD_OUT: SignedDuration = SignedDuration::from_secs(5);

/// What an environment believes of the lots under one key, and since when. A belief may be wrong in both directions; the
/// transaction decides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownLots {
    /// Lots that were empty when they were read are left out: after a rush most are, in every environment.
    seen: LotsSeen,
    read_at: Timestamp,
    /// When it was last read consistently.
    certain_at: Timestamp,
}

impl KnownLots {
    /// After an eventually consistent read, which may be stale. `before` is what was known until then.
    pub fn read(seen: LotsSeen, before: Option<&KnownLots>, now: Timestamp) -> Self {
        // That nothing is left stays certain if this read says so too.
        let before = before.filter(|_| seen.units() == 0);
        let certain_at = before.map_or(Timestamp::UNIX_EPOCH, |before| before.certain_at);
        Self { seen: seen.not_empty(), read_at: now, certain_at }
    }

    /// After a consistent read.
    pub fn read_consistently(seen: LotsSeen, now: Timestamp) -> Self {
        Self { seen: seen.not_empty(), read_at: now, certain_at: now }
    }

    pub fn lots(&self) -> &LotsSeen {
        &self.seen
    }

    /// Whether a checkout uses it without reading again. `missed` is whether that checkout has tried in vain before.
    pub fn is_trusted(&self, missed: bool, now: Timestamp) -> bool {
        let age = now.duration_since(self.read_at);
        let fresh = if missed { FRESH_AFTER_A_MISS } else { FRESH };
        // A key without units is not read for every checkout that comes too late.
        age < fresh && (self.seen.units() == 0 || self.seen.is_likely_after(age))
    }

    /// A checkout reads it now. Others go on with what is known until that is answered.
    pub fn is_being_read(&mut self, now: Timestamp) {
        self.read_at = now;
    }

    /// Whether it can be said without another look that this is all the key has.
    pub fn is_certain(&self, sold_out: bool, now: Timestamp) -> bool {
        now.duration_since(self.certain_at) < if sold_out { SOLD_OUT } else { FRESH }
    }

    /// A checkout took these units.
    pub fn took(&mut self, take: LotTake) {
        self.seen.took(&[take]);
    }

    /// A checkout could not take from a lot: it has so much, or, with `None`, others were writing it. Then it is left to
    /// them. They may not get it, so that the key is to be read again before the sale is said to be sold out.
    pub fn missed(&mut self, lot: LotId, left: Option<u32>) {
        self.seen.correct(lot, left.unwrap_or(0));
        if left.is_none() {
            self.certain_at = Timestamp::UNIX_EPOCH;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(1_000) + SignedDuration::from_millis(ms)
    }

    fn lots(left: &[u32]) -> LotsSeen {
        (0u32..).zip(left).map(|(id, left)| (LotId::from(id), *left)).collect()
    }

    #[test]
    fn what_was_read_is_used_for_a_second_and_after_a_miss_for_a_moment() {
        let known = KnownLots::read(lots(&[500, 500]), None, at(0));

        assert!(known.is_trusted(false, at(999)) && !known.is_trusted(false, at(1_000)));
        assert!(known.is_trusted(true, at(49)) && !known.is_trusted(true, at(50)));
    }

    #[test]
    fn the_fewer_units_a_key_has_the_sooner_it_is_read_again_but_an_empty_one_is_not() {
        // 125 checkouts a second take a quarter of 20 units in 40 ms.
        let few = KnownLots::read(lots(&[10, 10]), None, at(0));
        let none = KnownLots::read(lots(&[0, 0]), None, at(0));

        assert!(few.is_trusted(false, at(40)) && !few.is_trusted(false, at(41)));
        assert!(none.is_trusted(false, at(999)));
    }

    #[test]
    fn a_lot_that_another_checkout_is_writing_does_not_count_as_certainly_empty() {
        let mut taken = KnownLots::read_consistently(lots(&[1, 0]), at(0));
        let mut written = taken.clone();

        taken.missed(LotId::from(0), Some(0));
        written.missed(LotId::from(0), None);

        assert_eq!([taken.lots().units(), written.lots().units()], [0, 0]);
        assert_eq!([taken.is_certain(false, at(500)), written.is_certain(false, at(500))], [true, false]);
    }

    #[test]
    fn a_stale_read_that_finds_units_ends_the_certainty_and_one_that_finds_none_keeps_it() {
        let certain = KnownLots::read_consistently(lots(&[0]), at(0));

        let units = KnownLots::read(lots(&[1]), Some(&certain), at(100));
        let none = KnownLots::read(lots(&[0]), Some(&certain), at(100));

        assert_eq!([units.is_certain(false, at(500)), none.is_certain(false, at(500))], [false, true]);
        assert!(!none.is_certain(false, at(1_000)) && none.is_certain(true, at(4_999)));
    }
}
