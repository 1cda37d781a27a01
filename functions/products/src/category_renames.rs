//! Renaming a category: requested here, carried out by the sweeper.

use api::{Admin, Json, List, Listed, Page, PathId, Problem, codes, schema, wire::timestamp};
use axum::{extract::State as Extract, response::IntoResponse};
use domain::{CategoryPath, CategoryRename, CategoryRenameId, Invalid, MAX_CATEGORY_DEPTH};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use table::Table;
use utoipa::ToSchema;

use crate::state::State;

/// A category to rename.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameCategoryRequest {
    /// Path of the category, as `GET /admin/categories` has it.
    #[schema(value_type = schema::CategoryName, example = "Kitchen/Mugz")]
    from: String,
    /// Its new path. If that category exists, the two are merged.
    #[schema(value_type = schema::CategoryName, example = "Kitchen/Mugs")]
    to: String,
}

/// The progress of a rename.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryRenameResponse {
    #[schema(value_type = schema::RenameId)]
    pub rename_id: String,
    #[schema(value_type = schema::CategoryName)]
    pub from: String,
    #[schema(value_type = schema::CategoryName)]
    pub to: String,
    pub state: RenameState,
    /// Products moved so far.
    pub moved: u64,
    /// Products to move, as far as known.
    pub total: u64,
    /// Products that are not moved, because their new path would have more than 4 levels.
    pub left: u64,
    #[schema(value_type = schema::Timestamp)]
    pub requested_at: String,
    /// `null` until it is finished.
    #[schema(required, value_type = Option<schema::Timestamp>)]
    pub finished_at: Option<String>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RenameState {
    Running,
    Finished,
}

impl From<&CategoryRename> for CategoryRenameResponse {
    fn from(rename: &CategoryRename) -> Self {
        Self {
            rename_id: rename.id.to_string(),
            from: rename.from.to_string(),
            to: rename.to.to_string(),
            state: if rename.finished_at.is_some() { RenameState::Finished } else { RenameState::Running },
            moved: rename.moved,
            total: rename.total(),
            left: rename.left,
            requested_at: timestamp(rename.requested_at),
            finished_at: rename.finished_at.map(timestamp),
        }
    }
}

pub type CategoryRenameListResponse = List<CategoryRenameResponse>;

impl Listed for CategoryRenameResponse {
    const LIST: &'static str = "CategoryRenameListResponse";
}

/// Renames a category, with the categories below it.
///
/// Its products are moved in the background, starting within a minute. Several renames are carried out one after
/// another, in the order they were requested.
#[utoipa::path(post, path = "/admin/categories/renames", operation_id = "renameCategory", tag = "products",
    security(("admin" = [])), request_body = RenameCategoryRequest,
    responses(
        (status = 202, description = "the rename is accepted; `Location` is its progress", body = CategoryRenameResponse,
            headers(("Location"))),
        (status = 404, description = "the category does not exist"),
        codes::NotFound,
        (status = 422, description = "`category_invalid`, `rename_invalid`, `category_too_deep`"),
    ))]
pub async fn create(
    admin: Admin,
    Extract(state): Extract<State>,
    Json(request): Json<RenameCategoryRequest>,
) -> Result<impl IntoResponse, Problem> {
    let of = |field| move |e| Invalid { field, ..e };
    let from = CategoryPath::parse_search(&request.from).map_err(of("from"))?;
    let to = CategoryPath::parse(&request.to).map_err(of("to"))?;
    let (table, clock) = (&state.context.table, &state.context.clock);
    let (id, now) = (CategoryRenameId::from(clock.uuid_v7()), clock.now());

    let mut rename = CategoryRename::new(id, from, to, admin.uid.clone(), 0, now)?;
    let category = table.category_get(&rename.from).await?.ok_or_else(|| Problem::not_found("category"))?;
    rename.expected = category.products();
    if !rename.fits_depth(deepest(table, &rename.from).await?) {
        let detail = format!("a category below it would have more than {MAX_CATEGORY_DEPTH} levels");
        return Err(Invalid::new("to", "category_too_deep", detail).into());
    }
    table.categories_add(&[rename.to.clone()].into()).await?;
    table.category_rename_put(&rename).await?;

    let location = [(header::LOCATION, format!("/admin/categories/renames/{id}"))];
    Ok((StatusCode::ACCEPTED, location, axum::Json(CategoryRenameResponse::from(&rename))))
}

/// The deepest level below a category that exists.
async fn deepest(table: &Table, path: &CategoryPath) -> Result<usize, Problem> {
    let mut deepest = path.depth();
    for depth in path.depth() + 1..=MAX_CATEGORY_DEPTH {
        if table.category_has_level(path, depth).await? {
            deepest = depth;
        }
    }
    Ok(deepest)
}

/// Lists the renames of the last 90 days, newest first.
#[utoipa::path(get, path = "/admin/categories/renames", operation_id = "listCategoryRenames", tag = "products",
    params(Page), security(("admin" = [])),
    responses(
        (status = 200, description = "a page of renames", body = CategoryRenameListResponse),
    ))]
pub async fn list(
    _: Admin,
    Extract(state): Extract<State>,
    page: Page,
) -> Result<axum::Json<CategoryRenameListResponse>, Problem> {
    let found = state.context.table.category_rename_list(page.limit, page.after()?.as_ref()).await?;
    Ok(axum::Json(page.list(&found)))
}

/// Returns the progress of a rename.
#[utoipa::path(get, path = "/admin/categories/renames/{renameId}", operation_id = "getCategoryRename", tag = "products",
    params(("renameId" = String, Path)), security(("admin" = [])),
    responses(
        (status = 200, description = "the rename", body = CategoryRenameResponse),
        codes::NotFound,
    ))]
pub async fn get(
    _: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<CategoryRenameId>,
) -> Result<impl IntoResponse, Problem> {
    let rename = state.context.table.category_rename_get(id).await?.ok_or_else(|| Problem::not_found("rename"))?;
    Ok(axum::Json(CategoryRenameResponse::from(&rename)))
}
