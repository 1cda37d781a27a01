//! Categories as the shop's staff manage them: their products, and how one is renamed.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{CategoryPath, Invalid, MAX_CATEGORY_DEPTH, UserId};

/// A category, with the number of products on sale in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    pub path: CategoryPath,
    /// Products directly in this category.
    pub own: u64,
    /// Products in the categories below it.
    pub below: u64,
}

impl Category {
    /// Products in it and in the categories below it.
    pub fn products(&self) -> u64 {
        self.own + self.below
    }

    pub fn is_empty(&self) -> bool {
        self.products() == 0
    }
}

impl CategoryPath {
    /// The path without its last level; `None` for a path of one level and for the empty one.
    pub fn parent(&self) -> Option<CategoryPath> {
        let (_, above) = self.segments().split_last()?;
        self.levels().nth(above.len().checked_sub(1)?)
    }

    /// Whether it is `other`, or one of the categories below `other`.
    pub fn is_within(&self, other: &CategoryPath) -> bool {
        self.segments().starts_with(other.segments())
    }

    /// The path after `from` was renamed to `to`; `None` if it is not within `from`.
    ///
    /// # Errors
    /// The new path would have too many levels.
    pub fn renamed(&self, from: &CategoryPath, to: &CategoryPath) -> Result<Option<CategoryPath>, Invalid> {
        let Some(rest) = self.segments().strip_prefix(from.segments()) else { return Ok(None) };
        CategoryPath::new(to.segments().iter().chain(rest)).map(Some)
    }
}

/// The id of a rename: a UUIDv7, so that renames sort by the time they were requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CategoryRenameId(Uuid);

impl From<Uuid> for CategoryRenameId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl FromStr for CategoryRenameId {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        let id = Uuid::parse_str(raw).ok().filter(|id| id.to_string() == raw);
        id.map(Self).ok_or_else(|| Invalid::new("renameId", "id_invalid", "must be a UUID in lower case, with hyphens"))
    }
}

impl fmt::Display for CategoryRenameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Moving a category, with those below it, to another path: product by product, in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoryRename {
    pub id: CategoryRenameId,
    pub from: CategoryPath,
    pub to: CategoryPath,
    /// The member of staff who requested it; the changes of the products are recorded under their name.
    pub by: UserId,
    /// Products counted in `from` and below when it was requested.
    pub expected: u64,
    /// Products moved so far.
    pub moved: u64,
    /// Products that cannot be moved, because their new path would have too many levels.
    pub left: u64,
    pub requested_at: Timestamp,
    /// When the last product was moved, or else when the rename was requested.
    pub last_moved_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

/// The index lags by moments. After this long without anything to move, no entry is still missing.
const QUIET: SignedDuration = SignedDuration::from_secs(10);

/// Counts of products lag behind the stream. A rename waits this long for them before it leaves the old category in
/// place.
const COUNTED: SignedDuration = SignedDuration::from_mins(15);

impl CategoryRename {
    /// # Errors
    /// Either path is empty, both are the same, or `to` is below `from`, so that the rename would never end.
    pub fn new(
        id: CategoryRenameId,
        from: CategoryPath,
        to: CategoryPath,
        by: UserId,
        expected: u64,
        now: Timestamp,
    ) -> Result<Self, Invalid> {
        let invalid = |field, reason| Err(Invalid::new(field, "rename_invalid", reason));
        if from.is_empty() {
            return invalid("from", "must name a category");
        }
        if to.is_empty() {
            return invalid("to", "must name a category");
        }
        if to.is_within(&from) {
            return invalid("to", "must be neither the category itself nor one below it");
        }
        let (requested_at, last_moved_at) = (now, now);
        Ok(Self { id, from, to, by, expected, moved: 0, left: 0, requested_at, last_moved_at, finished_at: None })
    }

    /// Products to move, as far as known: more than were counted at first if some were added meanwhile.
    pub fn total(&self) -> u64 {
        self.expected.max(self.moved + self.left)
    }

    /// Whether a pass at this time that found nothing to move proves that nothing is left.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_moved_at) >= QUIET
    }

    /// Whether it is finished at this time even if the old category still counts products.
    pub fn has_waited_for_counts(&self, now: Timestamp) -> bool {
        now.duration_since(self.last_moved_at) >= COUNTED
    }

    /// Whether everything below `from`, down to this level, fits below `to`.
    pub fn fits_depth(&self, deepest: usize) -> bool {
        (deepest + self.to.depth()).saturating_sub(self.from.depth()) <= MAX_CATEGORY_DEPTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(joined: &str) -> CategoryPath {
        CategoryPath::parse(joined).unwrap()
    }

    fn rename(from: &str, to: &str) -> Result<CategoryRename, Invalid> {
        let by = "ann".parse().unwrap();
        CategoryRename::new(Uuid::nil().into(), path(from), path(to), by, 3, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_path_is_within_itself_and_its_ancestors_compared_by_whole_names() {
        assert!(path("Kitchen/Mugs").is_within(&path("Kitchen")));
        assert!(path("Kitchen").is_within(&path("Kitchen")));
        assert!(!path("Kitchen Toys").is_within(&path("Kitchen")));
        assert!(!path("Kitchen").is_within(&path("Kitchen/Mugs")));
        assert_eq!(path("Kitchen/Mugs/Blue").parent(), Some(path("Kitchen/Mugs")));
        assert_eq!((path("Kitchen").parent(), CategoryPath::default().parent()), (None, None));
    }

    #[test]
    fn what_is_below_a_renamed_category_keeps_the_rest_of_its_path() {
        let renamed = |of: &str| path(of).renamed(&path("Kitchen/Mugs"), &path("Table")).unwrap();

        assert_eq!(renamed("Kitchen/Mugs"), Some(path("Table")));
        assert_eq!(renamed("Kitchen/Mugs/Blue"), Some(path("Table/Blue")));
        assert_eq!(renamed("Kitchen/Pans"), None);
        assert!(path("A/B/C/D").renamed(&path("A"), &path("X/Y")).is_err());
    }

    #[test]
    fn a_category_cannot_be_renamed_to_itself_or_to_one_below_it() {
        for to in ["Kitchen", "Kitchen/Mugs"] {
            assert_eq!(rename("Kitchen", to).unwrap_err().code, "rename_invalid", "{to}");
        }
        assert!(rename("Kitchen/Mugs", "Kitchen").is_ok());
        assert!(rename("Kitchen", "Kitchen Toys").is_ok());
    }

    #[test]
    fn a_rename_is_known_to_be_complete_only_some_time_after_the_last_product() {
        let rename = rename("Kitchen", "Home").unwrap();
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);

        assert!(!rename.is_idle(at(9)) && rename.is_idle(at(10)));
        assert!(rename.fits_depth(4) && !CategoryRename { to: path("A/B"), ..rename.clone() }.fits_depth(4));
        assert_eq!(CategoryRename { moved: 4, left: 1, ..rename.clone() }.total(), 5);
        assert_eq!(rename.total(), 3);
    }
}
