//! Items of transactions in flight.

use std::{collections::HashMap, time::Duration};

use super::units::ItemKey;

/// Which items are held, until when. A second transaction on one of them is cancelled, and a plain write is refused.
#[derive(Debug, Default)]
pub(super) struct Held {
    until: HashMap<ItemKey, Duration>,
    cleaned: Duration,
}

const CLEANED_EVERY: Duration = Duration::from_secs(1);

impl Held {
    pub(super) fn is_held(&self, key: &ItemKey, now: Duration) -> bool {
        self.until.get(key).is_some_and(|until| *until > now)
    }

    pub(super) fn hold(&mut self, key: ItemKey, now: Duration, until: Duration) {
        if now.saturating_sub(self.cleaned) > CLEANED_EVERY {
            self.until.retain(|_, until| *until > now);
            self.cleaned = now;
        }
        self.until.insert(key, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_held_until_its_transaction_ends() {
        let (mug, at) = (("PROD#mug".to_owned(), "STOCK".to_owned()), Duration::from_millis);
        let mut held = Held::default();

        held.hold(mug.clone(), at(0), at(15));

        assert!(held.is_held(&mug, at(0)) && held.is_held(&mug, at(14)));
        assert!(!held.is_held(&mug, at(15)));
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let mut held = Held::default();

        for ms in (0..60_000).step_by(10) {
            let (now, until) = (Duration::from_millis(ms), Duration::from_millis(ms + 15));
            held.hold((ms.to_string(), String::new()), now, until);
        }

        assert!(held.until.len() < 500, "{}", held.until.len());
    }
}
