use domain::{Currency, Money};

/// Why a provider cannot charge or refund an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotChargeable {
    #[error("the payment provider does not accept {}", .0.code())]
    Currency(Currency),
    #[error("the payment provider accepts only multiples of {step}")]
    NotAMultiple { step: Money },
    #[error("the payment provider accepts at least {minimum}")]
    BelowMinimum { minimum: Money },
    #[error("the payment provider accepts at most {maximum}")]
    AboveMaximum { maximum: Money },
}

impl NotChargeable {
    /// Every [`reason`](Self::reason).
    pub const REASONS: [&str; 4] = ["currency_not_taken", "not_a_multiple", "below_minimum", "above_maximum"];

    /// For programs.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Currency(_) => "currency_not_taken",
            Self::NotAMultiple { .. } => "not_a_multiple",
            Self::BelowMinimum { .. } => "below_minimum",
            Self::AboveMaximum { .. } => "above_maximum",
        }
    }

    /// The amount that a reason names: the step, the minimum, or the maximum.
    pub fn bound(self) -> Option<Money> {
        match self {
            Self::Currency(_) => None,
            Self::NotAMultiple { step: bound }
            | Self::BelowMinimum { minimum: bound }
            | Self::AboveMaximum { maximum: bound } => Some(bound),
        }
    }
}
