//! Flash sales: staff create, change, start and stop them; shoppers see which there are.

use api::{
    Admin, All, Invalids, Items, Json, List, Listed, Page, PathId, Problem, RequestKey,
    codes::{self, Code, Member, Members},
    idempotency, schema,
    wire::{Money, timestamp},
};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{
    Invalid, LotsSeen, Offer, ProductId, Quantity, Sale, SaleChangeError, SaleId, SaleProgress, SaleRequest, SaleTerms,
    Timestamp,
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use table::{SaleCreateError, StoreError, Table, error_chain};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{catalog::public, state::State};

/// Keys of lots that are read at the same time to count what is left.
const CONCURRENCY: usize = 16;

/// The checkouts a second that are expected if staff do not say.
const USUAL_RATE: i64 = 100;

const AVAILABLE: Members = Members { schema: "SaleUnitsProblem", all: &[Member::always("available", available)] };

fn available() -> RefOr<Schema> {
    utoipa::openapi::ObjectBuilder::new()
        .schema_type(utoipa::openapi::Type::Integer)
        .description(Some("Units that are left in stock."))
        .into()
}

api::codes! {
    SaleChanging = Code::conflict("sale_changing", "the sale was changed at the same time, or too often; send it again")
        .retry_after();
    SaleOver = Code::conflict("sale_over", "the sale is over");
    SaleStarted = Code::conflict("sale_started", "the sale has started, so its start cannot be changed");
    SaleUnitsShort = Code::conflict("sale_units_short", "fewer units are in stock than the sale sets aside")
        .with(&AVAILABLE);
}

/// A sale to create.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateSaleRequest {
    #[schema(value_type = schema::ProductId, example = "mug-blue")]
    product_id: String,
    /// Instead of the product's price, in the same currency.
    #[schema(value_type = schema::Price)]
    price: Money,
    /// At least 5 seconds from now.
    #[schema(value_type = schema::Timestamp)]
    starts_at: String,
    /// After `startsAt`, by at most 31 days.
    #[schema(value_type = schema::Timestamp)]
    ends_at: String,
    /// The most units that one customer, or one e-mail address, can buy.
    #[schema(value_type = Option<schema::Units>)]
    limit: Option<i64>,
    /// They leave the product's stock now; what is not sold returns after the sale.
    #[schema(value_type = schema::SaleUnits, example = 500)]
    units: i64,
    #[schema(value_type = Option<schema::SaleRate>)]
    checkouts_per_second: Option<i64>,
}

/// What to change of a sale. A field that is left out stays; `null` removes the limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchSaleRequest {
    #[schema(value_type = Option<schema::Price>)]
    price: Option<Money>,
    /// Only before the sale has started.
    #[schema(value_type = Option<schema::Timestamp>)]
    starts_at: Option<String>,
    #[schema(value_type = Option<schema::Timestamp>)]
    ends_at: Option<String>,
    #[serde(default, deserialize_with = "crate::wire::given")]
    #[schema(value_type = Option<schema::Units>)]
    limit: Option<Option<i64>>,
}

/// A sale, as staff see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SaleResponse {
    #[schema(value_type = schema::SaleId)]
    pub sale_id: String,
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub product_name: String,
    /// `preparing` until its units can be sold; `scheduled` until it starts; `active`; `over` until its units are back in
    /// stock; `ended`.
    #[schema(value_type = schema::SaleStateName)]
    pub state: &'static str,
    pub price: Money,
    #[schema(value_type = schema::Timestamp)]
    pub starts_at: String,
    #[schema(value_type = schema::Timestamp)]
    pub ends_at: String,
    #[schema(required, value_type = Option<schema::Units>)]
    pub limit: Option<u32>,
    /// Since when, or from when on, price, window and limit apply. A change takes 5 seconds, so that all customers see it at
    /// the same moment.
    #[schema(value_type = schema::Timestamp)]
    pub active_from: String,
    /// Units that were set aside.
    #[schema(value_type = schema::SaleUnits)]
    pub units: u32,
    /// Units that are left now; only of one sale, not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub units_left: Option<u64>,
    /// Units that went back to the stock, once the sale has ended.
    #[schema(required)]
    pub units_returned: Option<u32>,
    pub sold_out: bool,
    /// Items of the table that the units are spread over, and the partition keys of those.
    pub lots: u32,
    pub lot_keys: u16,
    pub version: u64,
    #[schema(value_type = schema::Timestamp)]
    pub created_at: String,
}

pub type SaleListResponse = List<SaleResponse>;

impl Listed for SaleResponse {
    const LIST: &'static str = "SaleListResponse";
}

/// A sale, as shoppers see it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnnouncedSaleResponse {
    #[schema(value_type = schema::SaleId)]
    pub sale_id: String,
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub product_name: String,
    /// `scheduled` or `active`.
    #[schema(value_type = schema::SaleStateName)]
    pub state: &'static str,
    pub price: Money,
    #[schema(value_type = schema::Timestamp)]
    pub starts_at: String,
    #[schema(value_type = schema::Timestamp)]
    pub ends_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Units, required = false)]
    pub limit: Option<u32>,
    pub sold_out: bool,
}

pub type AnnouncedSalesResponse = Items<AnnouncedSaleResponse>;

impl Listed for AnnouncedSaleResponse {
    const LIST: &'static str = "AnnouncedSaleListResponse";
    const ITEMS: &'static str = "AnnouncedSalesResponse";
}

impl SaleResponse {
    fn new(sale: &Sale, now: Timestamp) -> Self {
        let (terms, dated) = (sale.latest_terms(), sale.terms.last());
        Self {
            sale_id: sale.id.to_string(),
            product_id: sale.product.to_string(),
            product_name: sale.name.clone(),
            state: sale.phase(now).as_str(),
            price: terms.price.into(),
            starts_at: timestamp(terms.starts_at),
            ends_at: timestamp(terms.ends_at),
            limit: terms.limit.map(Quantity::units),
            active_from: timestamp(dated.map_or(sale.created_at, |dated| dated.active_from)),
            units: sale.units,
            units_left: None,
            units_returned: match sale.progress {
                SaleProgress::Ended { units } => Some(units),
                SaleProgress::Preparing { .. } | SaleProgress::Open | SaleProgress::Closing { .. } => None,
            },
            sold_out: sale.sold_out,
            lots: sale.plan.lots,
            lot_keys: sale.plan.keys,
            version: sale.version,
            created_at: timestamp(sale.created_at),
        }
    }
}

impl AnnouncedSaleResponse {
    fn new(Offer { sale, terms }: Offer<'_>, now: Timestamp) -> Self {
        Self {
            sale_id: sale.id.to_string(),
            product_id: sale.product.to_string(),
            product_name: sale.name.clone(),
            state: sale.phase(now).as_str(),
            price: terms.price.into(),
            starts_at: timestamp(terms.starts_at),
            ends_at: timestamp(terms.ends_at),
            limit: terms.limit.map(Quantity::units),
            sold_out: sale.sold_out,
        }
    }
}

/// Creates a flash sale of a product. Its units leave the stock at once; what is not sold returns after the sale.
#[utoipa::path(post, path = "/admin/sales", operation_id = "createSale", tag = "sales", security(("admin" = [])),
    params(("Idempotency-Key" = String, Header)),
    request_body = CreateSaleRequest,
    responses(
        (status = 201, description = "the sale is created", body = SaleResponse, headers(("Location"))),
        codes::NotFound,
        codes::ProductInSale,
        SaleUnitsShort,
        codes::CurrencyMismatch,
        (status = 422, description = "`price_out_of_range`, `sale_window_invalid`, `sale_units_invalid`, `sale_rate_invalid`, `quantity_out_of_range`"),
    ))]
pub async fn create(
    admin: Admin,
    Extract(state): Extract<State>,
    key: RequestKey,
    Json(body): Json<CreateSaleRequest>,
) -> Result<Response, Problem> {
    let (table, clock) = (&state.context.table, &state.context.clock);
    let (id, now) = (SaleId::from(clock.uuid_v7()), clock.now());
    let wanted = body.parse(now)?;
    if wanted.terms.price.currency() != state.context.policy.currency {
        let detail = format!("this shop charges in {}", state.context.policy.currency.code());
        return Err(Problem::new(codes::CurrencyMismatch, detail));
    }
    let page = table.product_get_consistent(&wanted.product).await?.ok_or_else(|| Problem::not_found("product"))?;
    let name = page.record.product.details.name.as_str().to_owned();
    let sale = Sale::new(id, wanted, name, page.incarnation, admin.uid.clone(), now);
    let request = key.request(&admin.uid, &body);
    let created = match table.sale_create(&sale, &request, &id.to_string()).await {
        Ok(()) => sale,
        Err(SaleCreateError::Repeated(prior)) => {
            let prior = idempotency::same_request(prior)?;
            let sale = get_sale(table, prior.outcome.parse().map_err(Problem::internal)?).await?;
            return Ok(idempotency::replayed(created_response(&sale, now)));
        }
        Err(SaleCreateError::UnknownProduct) => return Err(Problem::not_found("product")),
        Err(error @ SaleCreateError::InSale) => return Err(Problem::new(codes::ProductInSale, error.to_string())),
        Err(error @ SaleCreateError::NotEnough { available }) => {
            return Err(Problem::new(SaleUnitsShort, error.to_string()).with("available", available));
        }
        Err(SaleCreateError::Store(error)) => return Err(error.into()),
    };
    // What stays unprepared, the sweeper prepares.
    let prepared = match table.sale_prepare_rest(created.clone()).await {
        Ok(prepared) => prepared,
        Err(error) => {
            tracing::warn!(sale = %id, error = error_chain(&error), "the lots of a sale are left to the sweeper");
            created
        }
    };
    state.context.sales.forget().await;
    state.forget(&prepared.product).await;
    Ok(created_response(&prepared, now))
}

fn created_response(sale: &Sale, now: Timestamp) -> Response {
    let location = [(header::LOCATION, format!("/admin/sales/{}", sale.id))];
    (StatusCode::CREATED, location, axum::Json(SaleResponse::new(sale, now))).into_response()
}

impl CreateSaleRequest {
    fn parse(&self, now: Timestamp) -> Result<SaleRequest, Invalids> {
        let (product, price, starts_at, ends_at, limit) = (
            self.product_id.parse::<ProductId>(),
            self.price.total("price"),
            time("startsAt", &self.starts_at),
            time("endsAt", &self.ends_at),
            self.limit.map(limit).transpose(),
        )
            .all()?;
        let terms = SaleTerms { price, starts_at, ends_at, limit };
        let rate = self.checkouts_per_second.unwrap_or(USUAL_RATE);
        Ok(SaleRequest::parse(product, terms, self.units, rate, now)?)
    }
}

fn limit(units: i64) -> Result<Quantity, Invalid> {
    Quantity::new(units).map_err(|invalid| Invalid { field: "limit", ..invalid })
}

fn time(field: &'static str, raw: &str) -> Result<Timestamp, Invalid> {
    let at = raw.parse::<Timestamp>().ok();
    at.ok_or_else(|| {
        Invalid::new(field, "sale_window_invalid", "must be a time as in RFC 3339, such as 2026-11-27T18:00:00Z")
    })
}

/// Lists all sales, the newest first.
#[utoipa::path(get, path = "/admin/sales", operation_id = "listSales", tag = "sales", params(Page), security(("admin" = [])),
    responses((status = 200, description = "a page of sales", body = SaleListResponse)))]
pub async fn list(
    _: Admin,
    Extract(state): Extract<State>,
    page: Page,
) -> Result<axum::Json<SaleListResponse>, Problem> {
    let found = state.context.table.sale_list(page.limit, page.after()?.as_ref()).await?;
    let now = state.context.clock.now();
    let items = found.items.iter().map(|sale| SaleResponse::new(sale, now)).collect();
    Ok(axum::Json(page.with(items, found.next.as_ref())))
}

/// Returns a sale with what is left of its units.
#[utoipa::path(get, path = "/admin/sales/{saleId}", operation_id = "getSale", tag = "sales", security(("admin" = [])),
    params(("saleId" = String, Path)),
    responses((status = 200, description = "the sale", body = SaleResponse), codes::NotFound))]
pub async fn get(
    _: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<SaleId>,
) -> Result<axum::Json<SaleResponse>, Problem> {
    let table = &state.context.table;
    let sale = get_sale(table, id).await?;
    let left = stream::iter(0..sale.plan.keys).map(|key| table.sale_lots_get(id, key)).buffer_unordered(CONCURRENCY);
    let left = left.try_fold(LotsSeen::default(), |all, seen| async move { Ok::<_, StoreError>(all.and(&seen)) });
    let units_left = Some(left.await?.units());
    Ok(axum::Json(SaleResponse { units_left, ..SaleResponse::new(&sale, state.context.clock.now()) }))
}

/// Changes the price, the window or the limit of a sale. The change applies 5 seconds later, for all customers at once.
#[utoipa::path(patch, path = "/admin/sales/{saleId}", operation_id = "changeSale", tag = "sales", security(("admin" = [])),
    params(("saleId" = String, Path)),
    request_body = PatchSaleRequest,
    responses(
        (status = 200, description = "the changed sale", body = SaleResponse),
        codes::NotFound,
        SaleOver,
        SaleStarted,
        SaleChanging,
        codes::CurrencyMismatch,
        (status = 422, description = "`price_out_of_range`, `sale_window_invalid`, `quantity_out_of_range`"),
    ))]
pub async fn patch(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<SaleId>,
    Json(body): Json<PatchSaleRequest>,
) -> Result<axum::Json<SaleResponse>, Problem> {
    let (price, starts_at, ends_at, limit) = (
        body.price.as_ref().map(|price| price.total("price")).transpose(),
        body.starts_at.as_deref().map(|raw| time("startsAt", raw)).transpose(),
        body.ends_at.as_deref().map(|raw| time("endsAt", raw)).transpose(),
        body.limit.map(|given| given.map(limit).transpose()).transpose(),
    )
        .all()?;
    if price.is_some_and(|price| price.currency() != state.context.policy.currency) {
        let detail = format!("this shop charges in {}", state.context.policy.currency.code());
        return Err(Problem::new(codes::CurrencyMismatch, detail));
    }
    change(&state, &admin, id, |sale, now| {
        sale.change(now, |terms, _| SaleTerms {
            price: price.unwrap_or(terms.price),
            starts_at: starts_at.unwrap_or(terms.starts_at),
            ends_at: ends_at.unwrap_or(terms.ends_at),
            limit: limit.unwrap_or(terms.limit),
        })
    })
    .await
}

/// Starts a sale in 5 seconds. Has no effect on one that has started.
#[utoipa::path(post, path = "/admin/sales/{saleId}/start", operation_id = "startSale", tag = "sales", security(("admin" = [])),
    params(("saleId" = String, Path)),
    responses(
        (status = 200, description = "the changed sale", body = SaleResponse),
        codes::NotFound,
        SaleOver,
        SaleChanging,
        api::NoBody,
    ))]
pub async fn start(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<SaleId>,
    _: api::NoBody,
) -> Result<axum::Json<SaleResponse>, Problem> {
    change(&state, &admin, id, Sale::start_early).await
}

/// Stops a sale in 5 seconds; one that has not started never does. Its units return to the stock within two minutes.
#[utoipa::path(post, path = "/admin/sales/{saleId}/stop", operation_id = "stopSale", tag = "sales", security(("admin" = [])),
    params(("saleId" = String, Path)),
    responses(
        (status = 200, description = "the changed sale", body = SaleResponse),
        codes::NotFound,
        SaleOver,
        SaleChanging,
        api::NoBody,
    ))]
pub async fn stop(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<SaleId>,
    _: api::NoBody,
) -> Result<axum::Json<SaleResponse>, Problem> {
    change(&state, &admin, id, Sale::stop).await
}

async fn change(
    state: &State,
    by: &Admin,
    id: SaleId,
    decide: impl FnOnce(&Sale, Timestamp) -> Result<Sale, SaleChangeError>,
) -> Result<axum::Json<SaleResponse>, Problem> {
    let (table, now) = (&state.context.table, state.context.clock.now());
    let sale = get_sale(table, id).await?;
    let changed = decide(&sale, now).map_err(change_problem)?;
    if !table.sale_write(&changed, by.uid.as_str()).await? {
        return Err(Problem::new(SaleChanging, "the sale was changed at the same time; send the request again"));
    }
    state.context.sales.forget().await;
    Ok(axum::Json(SaleResponse::new(&changed, now)))
}

fn change_problem(error: SaleChangeError) -> Problem {
    let detail = error.to_string();
    match error {
        SaleChangeError::Over => Problem::new(SaleOver, detail),
        SaleChangeError::Started => Problem::new(SaleStarted, detail),
        SaleChangeError::TooMany => Problem::new(SaleChanging, detail),
        SaleChangeError::Invalid(invalid) => Invalid::new("endsAt", "sale_window_invalid", invalid.to_string()).into(),
    }
}

async fn get_sale(table: &Table, id: SaleId) -> Result<Sale, Problem> {
    table.sale_get(id).await?.ok_or_else(|| Problem::not_found("sale"))
}

/// Lists the sales that are active or announced, the next to end first.
#[utoipa::path(get, path = "/sales", operation_id = "listAnnouncedSales", tag = "sales", security(()), responses(
    (status = 200, description = "the sales", body = AnnouncedSalesResponse),
))]
pub async fn announced(Extract(state): Extract<State>) -> Result<impl IntoResponse, Problem> {
    let (sales, now) = (state.context.open_sales().await?, state.context.clock.now());
    let mut items: Vec<_> = sales.all_announced(now).collect();
    items.sort_by_key(|offer| (offer.terms.ends_at, offer.sale.id));
    let items = items.into_iter().map(|offer| AnnouncedSaleResponse::new(offer, now)).collect();
    Ok((public(2), axum::Json(AnnouncedSalesResponse { items })))
}
