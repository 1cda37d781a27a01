use std::{
    fmt,
    ops::Deref,
    sync::{Arc, LazyLock},
};

/// A client that is made when it is first used: a function's start needs few of them, and its first request one or two.
/// Clones share it.
pub(crate) struct OnFirstUse<T>(Arc<LazyLock<T, Box<dyn FnOnce() -> T + Send>>>);

impl<T> OnFirstUse<T> {
    pub(crate) fn new(make: impl FnOnce() -> T + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(make))))
    }
}

impl<T> Deref for OnFirstUse<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for OnFirstUse<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for OnFirstUse<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnFirstUse").finish_non_exhaustive()
    }
}
