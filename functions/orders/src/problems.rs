//! Problems that several routes answer with.

use api::{
    Problem,
    codes::{Code, FIELD_OF_ERROR, Member, Members, reference},
};
use saga::SagaError;

/// The answer if a step of the saga could not be taken. The order is unchanged; a retry continues from there.
pub fn saga_problem(error: SagaError) -> Problem {
    match error {
        SagaError::Store(error) => error.into(),
        SagaError::NoTime => {
            Problem::busy("too little time is left to call the payment provider; send the request again")
        }
        SagaError::Silent => Problem::busy("the payment provider does not answer; send the request again"),
        SagaError::Contended => Problem::busy("the order is being changed by another request; send the request again"),
        SagaError::NoPayment => payment_missing(),
        SagaError::Gone => Problem::internal(error),
    }
}

const TOTAL: Members = Members {
    schema: "PaymentMissingProblem",
    all: &[Member::sometimes("total", || reference("Money")), FIELD_OF_ERROR[0]],
};

api::codes! {
    pub PaymentMissing = Code::unprocessable("payment_missing", "there is a `total` to pay, but no payment token")
        .with(&TOTAL);
}

/// 422: the payment may be left out only if the total is zero.
pub fn payment_missing() -> Problem {
    let detail = "the total is not zero: send a payment with a token";
    Problem::new(PaymentMissing, detail).with("field", "payment")
}
