//! Categories: browsing for shoppers, cleaning up for staff.

use std::sync::Arc;

use api::{
    Admin, List, Listed, Page, Problem, QueryParams,
    codes::{self, Code},
    schema,
};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::{Category, CategoryPath};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use table::{CategoryDeleteError, Shown, StoreError, Table};
use utoipa::{IntoParams, ToSchema};

use crate::{
    catalog::public,
    category_page::{CategoryPage, CategoryPageKey},
    state::State,
};

/// Most shops show all categories at once: they fit a page.
type CategoryListPage = Page<100>;

api::codes! {
    CategoryNotEmpty = Code::conflict("category_not_empty", "the category has products or categories in it");
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CategoryListParams {
    /// Path of a category, to list its direct children; empty for the top level. Without it, the whole tree is listed.
    /// A slash within a name is `%2F`, before URL encoding.
    #[param(value_type = Option<schema::CategoryName>, example = "Kitchen")]
    parent: Option<String>,
}

pub type CategoryListResponse = List<CategoryResponse>;

impl Listed for CategoryResponse {
    const LIST: &'static str = "CategoryListResponse";
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryResponse {
    /// The path, as accepted by `GET /products?category=`.
    #[schema(value_type = schema::CategoryName, example = "Kitchen/Mugs")]
    pub path: String,
    #[schema(example = "Mugs")]
    pub name: String,
    /// 1 for the top level.
    pub depth: usize,
    /// Products on sale in it and in the categories below it. Updated some seconds after a change of a product.
    pub products: u64,
    /// The part of `products` that is in the categories below it.
    pub products_below: u64,
}

impl From<&Category> for CategoryResponse {
    fn from(category: &Category) -> Self {
        Self {
            path: category.path.to_string(),
            name: category.path.segments().last().cloned().unwrap_or_default(),
            depth: category.path.depth(),
            products: category.products(),
            products_below: category.below,
        }
    }
}

/// Lists the categories that have products, by name, each before those below it.
///
/// With `parent`, only the direct children of that category.
#[utoipa::path(get, path = "/categories", operation_id = "listCategories", tag = "products", params(CategoryListParams, CategoryListPage),
    security(()),
    responses(
        (status = 200, description = "a page of categories", body = CategoryListResponse),
        (status = 422, description = "`category_invalid`"),
    ))]
pub async fn list(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<CategoryListParams>,
    page: CategoryListPage,
) -> Result<impl IntoResponse, Problem> {
    let (list, page) = wanted(&params, page)?;
    let table = &state.context.table;
    let load = async || read(table, &list, Shown::Filled).await.map(Arc::new);
    let found = state.categories.get(&list, state.context.clock.now(), load).await?;
    Ok((public(30), Json::<CategoryListResponse>(page.list(&found))))
}

/// Lists all categories, including empty ones.
#[utoipa::path(get, path = "/admin/categories", operation_id = "listAllCategories", tag = "products",
    params(CategoryListParams, CategoryListPage), security(("admin" = [])),
    responses(
        (status = 200, description = "a page of categories", body = CategoryListResponse),
        (status = 422, description = "`category_invalid`"),
    ))]
pub async fn list_all(
    _: Admin,
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<CategoryListParams>,
    page: CategoryListPage,
) -> Result<Json<CategoryListResponse>, Problem> {
    let (list, page) = wanted(&params, page)?;
    let found = read(&state.context.table, &list, Shown::All).await?;
    Ok(Json(page.list(&found)))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RemoveCategoryParams {
    /// Path of the category.
    #[param(value_type = schema::CategoryName, example = "Kitchen/Mugs")]
    category: String,
}

/// Removes a category without products and without categories below it.
///
/// It is created again when a product is put into it.
#[utoipa::path(delete, path = "/admin/categories", operation_id = "removeCategory", tag = "products",
    params(RemoveCategoryParams), security(("admin" = [])),
    responses(
        (status = 204, description = "the category is removed"),
        (status = 404, description = "the category does not exist"),
        codes::NotFound,
        CategoryNotEmpty,
        (status = 422, description = "`category_invalid`"),
    ))]
pub async fn remove(
    _: Admin,
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<RemoveCategoryParams>,
) -> Result<StatusCode, Problem> {
    let path = CategoryPath::parse_search(&params.category)?;
    match state.context.table.category_delete(&path).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(CategoryDeleteError::Unknown) => Err(Problem::not_found("category")),
        Err(error @ CategoryDeleteError::NotEmpty) => Err(Problem::new(CategoryNotEmpty, error.to_string())),
        Err(CategoryDeleteError::Store(error)) => Err(error.into()),
    }
}

/// The list that is asked for, and its page.
fn wanted(params: &CategoryListParams, page: CategoryListPage) -> Result<(CategoryPageKey, CategoryListPage), Problem> {
    let parent = match params.parent.as_deref() {
        None => None,
        Some("") => Some(CategoryPath::default()),
        Some(path) => Some(CategoryPath::parse_search(path)?),
    };
    let page = page.of(format_args!("{:?}", parent.as_ref().map(CategoryPath::to_string)));
    Ok((CategoryPageKey { parent, limit: page.limit, after: page.after()? }, page))
}

async fn read(table: &Table, list: &CategoryPageKey, shown: Shown) -> Result<CategoryPage, StoreError> {
    match &list.parent {
        Some(parent) => table.category_list_children(parent, shown, list.limit, list.after.as_ref()).await,
        None => table.category_list_tree(shown, list.limit, list.after.as_ref()).await,
    }
}
