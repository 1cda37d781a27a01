use jiff::{SignedDuration, Timestamp};

/// The kind of a session's owner. Only a guest's cart is merged at login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionKind {
    Guest,
    Customer,
}

/// The expiry of a session: idle and absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLifetime {
    pub idle_expires_at: Timestamp,
    pub absolute_expires_at: Timestamp,
}

impl SessionKind {
    /// Customer: idle 30 minutes, absolute 12 hours. Guest: 30 days, so that a cart outlives a closed browser.
    const fn limits(self) -> (SignedDuration, SignedDuration) {
        match self {
            SessionKind::Guest => (SignedDuration::from_hours(30 * 24), SignedDuration::from_hours(30 * 24)),
            SessionKind::Customer => (SignedDuration::from_mins(30), SignedDuration::from_hours(12)),
        }
    }
}

impl SessionLifetime {
    pub fn start(kind: SessionKind, now: Timestamp) -> Self {
        let (idle, absolute) = kind.limits();
        Self { idle_expires_at: now + idle, absolute_expires_at: now + absolute }
    }

    /// For a new secret of the same session: the idle time starts again, the absolute expiry stays.
    pub fn renew(&self, kind: SessionKind, now: Timestamp) -> Self {
        let fresh = Self::start(kind, now);
        let absolute_expires_at = self.absolute_expires_at;
        Self { idle_expires_at: fresh.idle_expires_at.min(absolute_expires_at), absolute_expires_at }
    }

    /// Refused from the second it expires, whether or not the table has deleted it yet.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.idle_expires_at && now < self.absolute_expires_at
    }

    /// The later idle expiry, if it is worth a write: at most once a minute, and never past the absolute one.
    pub fn touch(&self, kind: SessionKind, now: Timestamp) -> Option<Timestamp> {
        let (idle, _) = kind.limits();
        let later = (now + idle).min(self.absolute_expires_at);
        (later.duration_since(self.idle_expires_at) >= SignedDuration::from_mins(1)).then_some(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_refused_from_the_second_it_expires() {
        let start = Timestamp::UNIX_EPOCH;
        let life = SessionLifetime::start(SessionKind::Customer, start);

        assert!(life.is_live(start + SignedDuration::from_secs(30 * 60 - 1)));
        assert!(!life.is_live(start + SignedDuration::from_secs(30 * 60)));
    }

    #[test]
    fn use_keeps_a_session_alive_but_never_past_twelve_hours() {
        let start = Timestamp::UNIX_EPOCH;
        let mut life = SessionLifetime::start(SessionKind::Customer, start);
        let mut writes = 0;
        for minute in 0..=13 * 60 {
            let now = start + SignedDuration::from_mins(minute);
            if !life.is_live(now) {
                assert_eq!(minute, 12 * 60);
                break;
            }
            if let Some(later) = life.touch(SessionKind::Customer, now) {
                life.idle_expires_at = later;
                writes += 1;
            }
        }

        assert!(writes <= 12 * 60);
        assert_eq!(life.idle_expires_at, life.absolute_expires_at);
    }
}
