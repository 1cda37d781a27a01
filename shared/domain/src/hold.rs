use jiff::{SignedDuration, Timestamp};

/// How long stock is held for an order whose payment has no outcome yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HoldLength(u8);

impl HoldLength {
    /// A bank's authentication page takes some minutes.
    pub const MIN_MINUTES: u8 = 5;
    /// Stock that is held for longer is missed by others.
    pub const MAX_MINUTES: u8 = 60;

    /// # Errors
    /// It is not a whole number of minutes in range.
    pub fn parse_minutes(raw: &str) -> Result<Self, String> {
        let minutes = raw.parse().ok().filter(|minutes| (Self::MIN_MINUTES..=Self::MAX_MINUTES).contains(minutes));
        let range = (Self::MIN_MINUTES, Self::MAX_MINUTES);
        minutes.map(Self).ok_or_else(|| format!("{raw:?} is not a number of minutes, {} to {}", range.0, range.1))
    }

    /// When a hold of this length that begins now ends.
    pub fn end(self, begins: Timestamp) -> Timestamp {
        begins + SignedDuration::from_mins(self.0.into())
    }
}

impl Default for HoldLength {
    fn default() -> Self {
        Self(15)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_five_to_sixty_minutes_and_fifteen_by_default() {
        let now = Timestamp::UNIX_EPOCH;

        for (raw, seconds) in [("5", 300), ("15", 900), ("60", 3_600)] {
            assert_eq!(HoldLength::parse_minutes(raw).unwrap().end(now).as_second(), seconds);
        }
        assert_eq!(HoldLength::parse_minutes("15").unwrap(), HoldLength::default());
        for wrong in ["", "4", "61", "1e1", "-5", "15 min", "300"] {
            assert!(HoldLength::parse_minutes(wrong).is_err(), "{wrong:?}");
        }
    }
}
