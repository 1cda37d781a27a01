//! The transaction that makes a cart an order.
//!
//! If lots of a sale were taken by others meanwhile, it is sent again with other lots. Whatever it fails with, the
//! idempotency record is read before that is said: the same request may have succeeded a moment before.

use api::{Context, Problem};
use domain::{OpenSales, Order, ProductId};
use table::{Idempotency, PlaceOrderError, PriorRequest, Shortage, StoreError};

use crate::{
    checkout::{CartLines, SaleLimitReached, SaleLinesTooMany, cart_changed},
    lots::TakeLotsError,
    state::State,
};

/// Attempts to take lots that others have not taken or are not writing.
const MAX_LOT_ATTEMPTS: u32 = 8;

pub enum Committed {
    Now,
    /// Another request under the same key was first.
    Before(PriorRequest),
    /// Less is in stock than the cart has.
    Short(Vec<Shortage>),
}

impl Committed {
    /// The id in the record shows who committed: an earlier attempt of this very request may have.
    fn by(record: PriorRequest, order: &Order) -> Self {
        if record.outcome == order.id.to_string() { Self::Now } else { Self::Before(record) }
    }
}

/// Commits an order; `stays` is what the cart keeps.
pub async fn commit(
    state: &State,
    order: &mut Order,
    sales: &OpenSales,
    stays: &CartLines,
    request: &Idempotency,
) -> Result<Committed, Problem> {
    let context = &state.context;
    for attempt in 0..MAX_LOT_ATTEMPTS {
        let now = context.clock.now();
        let taken = state.lots.take(&context.table, order, sales, attempt > 0, now).await;
        let short = taken.map_err(take_lots_problem)?;
        if !short.is_empty() {
            return short_or_before(context, order, request, short).await;
        }
        match context.table.order_place(order, stays, request, context.clock.now()).await {
            Ok(()) => {
                state.lots.took(order);
                return Ok(Committed::Now);
            }
            Err(PlaceOrderError::Repeated(prior)) => return Ok(Committed::by(prior, order)),
            Err(PlaceOrderError::OutOfStock(shortages)) => {
                return short_or_before(context, order, request, shortages).await;
            }
            Err(PlaceOrderError::Lots { product, lots }) => state.lots.missed(order, &product, &lots),
            Err(PlaceOrderError::SaleLimit { product }) => {
                return refused(context, order, request, sale_limit(order, &product)).await;
            }
            Err(PlaceOrderError::CartChanged) => return refused(context, order, request, cart_changed()).await,
            // Committed or not: the idempotency record, which is part of the transaction, shows it.
            Err(PlaceOrderError::Store(error @ StoreError::OutcomeUnknown(_))) => {
                return refused(context, order, request, error.into()).await;
            }
            Err(PlaceOrderError::Store(error)) => return Err(error.into()),
        }
    }
    let busy = Problem::busy("many customers buy in this sale at the same time; send the request again");
    refused(context, order, request, busy).await
}

/// Short of stock, unless an earlier attempt of this request took it.
async fn short_or_before(
    context: &Context,
    order: &Order,
    request: &Idempotency,
    shortages: Vec<Shortage>,
) -> Result<Committed, Problem> {
    let record = context.table.idempotency_get(request).await?;
    Ok(record.map_or(Committed::Short(shortages), |record| Committed::by(record, order)))
}

/// The conflict may come from the same request a moment before: then its answer counts.
async fn refused(
    context: &Context,
    order: &Order,
    request: &Idempotency,
    problem: Problem,
) -> Result<Committed, Problem> {
    let record = context.table.idempotency_get(request).await?;
    record.map(|record| Committed::by(record, order)).ok_or(problem)
}

fn take_lots_problem(error: TakeLotsError) -> Problem {
    match error {
        TakeLotsError::TooManyLines => {
            Problem::new(SaleLinesTooMany, "the cart has too many products that are in a sale for one order")
        }
        TakeLotsError::OtherSale(id) => Problem::internal(format!("sale {id} of a line is not the product's")),
        TakeLotsError::Store(error) => error.into(),
    }
}

fn sale_limit(order: &Order, product: &ProductId) -> Problem {
    let limit =
        order.lines.iter().filter(|line| line.product == *product).find_map(|line| line.sale.as_ref()?.limit.as_ref());
    let limit = limit.map_or(0, |limit| limit.units.units());
    Problem::new(SaleLimitReached, "the sale allows each customer no more units")
        .with("productId", product.as_str())
        .with("limit", limit)
}
