//! Problems that several routes answer with.

use api::Problem;
use saga::SagaError;

/// What a step of the saga that could not be taken is told as. The order stands; asking again goes on from there.
pub fn saga_problem(error: SagaError) -> Problem {
    match error {
        SagaError::Store(error) => error.into(),
        SagaError::NoTime => {
            Problem::busy("too little time is left to ask the payment provider; send the request again")
        }
        SagaError::Silent => Problem::busy("the payment provider does not answer; send the request again"),
        SagaError::Contended => Problem::busy("others are at this order; try again"),
        SagaError::NoPayment => payment_missing(),
        SagaError::Gone => Problem::internal(error),
    }
}

/// 422: the body may leave the payment out only where there is nothing to pay.
pub fn payment_missing() -> Problem {
    let detail = "there is something to pay: send a payment with a token";
    Problem::unprocessable("payment_missing", detail).with("field", "payment")
}
