use domain::{Category, CategoryPath};
use table::{CategoryPosition, Page};

/// A page of categories from the table.
pub type CategoryPage = Page<Category, CategoryPosition>;

/// Which page of which list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CategoryPageKey {
    /// `None` is the whole tree.
    pub parent: Option<CategoryPath>,
    pub limit: i32,
    pub after: Option<CategoryPosition>,
}
