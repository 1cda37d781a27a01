//! Renames of categories: their products are moved, one rename after another.
//!
//! The progress of a run is in the products only: whatever is not in the old category any more is done. So a run may
//! end anywhere, and two may overlap.

use domain::{Category, CategoryPath, CategoryRename, MAX_CATEGORY_DEPTH, Timestamp};
use futures::{StreamExt as _, stream};
use jiff::SignedDuration;
use table::{CategoryDeleteError, Moving, Shown, StoreError, Table, error_chain};

/// Products moved concurrently.
const CONCURRENCY: usize = 16;

/// With less time left than this nothing more is started.
const ENOUGH: SignedDuration = SignedDuration::from_secs(5);

/// Categories of the old path that one run removes.
const MAX_REMOVED: usize = 5_000;

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Renamed {
    pub moved: usize,
    /// Products that failed because of the table; the next run tries again.
    pub failed: usize,
}

/// Continues the oldest open rename. `has_time` is asked before each round whether another may start.
///
/// # Errors
/// The table cannot be used. The next run continues.
pub async fn go_on(
    table: &Table,
    now: Timestamp,
    has_time: impl Fn(SignedDuration) -> bool,
) -> Result<Renamed, StoreError> {
    let mut all = Renamed::default();
    while let Some(rename) = table.category_rename_first_open().await? {
        let (pass, complete) = move_products(table, &rename, now, &has_time).await?;
        all.moved += pass.moved;
        all.failed += pass.failed;
        let quiet = complete && pass.moved == 0 && pass.failed == 0 && rename.is_idle(now);
        if !quiet {
            return Ok(all);
        }
        let old_is_gone = remove_old(table, &rename).await?;
        // The numbers of products lag behind the stream. A category in which products stay is not removed.
        if !old_is_gone && pass.left == 0 && !rename.has_waited_for_counts(now) {
            return Ok(all);
        }
        table.category_rename_finish(rename.id, pass.left, now).await?;
        tracing::info!(rename = %rename.id, moved = rename.moved, left = pass.left, "a category was renamed");
    }
    Ok(all)
}

/// The result for the products of one pass.
#[derive(Default)]
struct Pass {
    moved: usize,
    failed: usize,
    /// Products that cannot be moved: their new path would have too many levels, or they are malformed.
    left: u64,
}

/// Moves the products of the old category, from the first to the last. Returns whether it reached the last.
async fn move_products(
    table: &Table,
    rename: &CategoryRename,
    now: Timestamp,
    has_time: &impl Fn(SignedDuration) -> bool,
) -> Result<(Pass, bool), StoreError> {
    let (mut pass, mut after) = (Pass::default(), None);
    loop {
        let page = table.product_ids_by_category(&rename.from, after).await?;
        for ids in page.items.chunks(100) {
            if !has_time(ENOUGH) {
                return Ok((pass, false));
            }
            let move_one = |id: &Result<_, StoreError>| {
                let id = id.as_ref().ok().cloned();
                async move {
                    match id {
                        Some(id) => table.product_category_move(&id, rename, now).await,
                        // An entry of the index without a product's id is not a product.
                        None => Ok(Moving::Elsewhere),
                    }
                }
            };
            let moved: Vec<_> = stream::iter(ids).map(move_one).buffer_unordered(CONCURRENCY).collect().await;
            let before = pass.moved;
            for outcome in moved {
                match outcome {
                    Ok(Moving::Moved) => pass.moved += 1,
                    Ok(Moving::TooDeep) => pass.left += 1,
                    Ok(Moving::Elsewhere) => {}
                    Err(error @ StoreError::Corrupt { .. }) => {
                        tracing::error!(rename = %rename.id, error = error_chain(&error), "a product cannot be moved");
                        pass.left += 1;
                    }
                    Err(error) => {
                        tracing::error!(rename = %rename.id, error = error_chain(&error), "a product was not moved");
                        pass.failed += 1;
                    }
                }
            }
            if pass.moved > before {
                let moved = u64::try_from(pass.moved - before).unwrap_or_default();
                table.category_rename_advance(rename.id, moved, now).await?;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok((pass, true));
        }
    }
}

/// Removes the old category and those below it, the deepest first, if they are empty. Returns whether all are removed.
async fn remove_old(table: &Table, rename: &CategoryRename) -> Result<bool, StoreError> {
    let mut all_gone = true;
    for path in old_categories(table, &rename.from).await? {
        match table.category_delete(&path).await {
            Ok(()) | Err(CategoryDeleteError::Unknown) => {}
            Err(CategoryDeleteError::NotEmpty) => all_gone = false,
            Err(CategoryDeleteError::Store(error)) => return Err(error),
        }
    }
    Ok(all_gone)
}

/// The category and those below it, the deepest first.
async fn old_categories(table: &Table, from: &CategoryPath) -> Result<Vec<CategoryPath>, StoreError> {
    let mut found = vec![from.clone()];
    let mut at = 0;
    while let Some(parent) = found.get(at).filter(|parent| parent.depth() < MAX_CATEGORY_DEPTH).cloned() {
        let mut after = None;
        while found.len() < MAX_REMOVED {
            let page = table.category_list_children(&parent, Shown::All, 100, after.as_ref()).await?;
            found.extend(page.items.into_iter().map(|Category { path, .. }| path));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        at += 1;
    }
    found.reverse();
    Ok(found)
}
