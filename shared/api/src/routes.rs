//! The routes of a function, with their documentation if it is asked for.
//!
//! A handler's `#[utoipa::path]` is the one place for its method, its path and its documentation. The document is for the
//! local stack, the tests and the templates; no function serves it. So the type `D` says whether routes are documented. With
//! `D = ()` the document is not built, and the code that would build it is not linked.

use std::convert::Infallible;

use axum::{
    extract::Request,
    response::IntoResponse,
    routing::{MethodRouter, Route},
};
use tower::{Layer, Service};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

/// Where the documentation of routes goes: into an [`OpenApi`], or nowhere.
pub trait Documentation: Default {
    #[doc(hidden)]
    fn add<S: Clone + Send + Sync + 'static>(&mut self, document: impl FnOnce() -> UtoipaMethodRouter<S>);

    #[doc(hidden)]
    fn merge(&mut self, other: Self);
}

impl Documentation for () {
    fn add<S: Clone + Send + Sync + 'static>(&mut self, _: impl FnOnce() -> UtoipaMethodRouter<S>) {}

    fn merge(&mut self, (): Self) {}
}

impl Documentation for OpenApi {
    fn add<S: Clone + Send + Sync + 'static>(&mut self, document: impl FnOnce() -> UtoipaMethodRouter<S>) {
        OpenApi::merge(self, OpenApiRouter::new().routes(document()).into_openapi());
    }

    fn merge(&mut self, other: Self) {
        OpenApi::merge(self, other);
    }
}

/// The handlers of one path, as [`routes!`](crate::routes) makes them.
pub struct Operations<S, F> {
    path: String,
    handlers: MethodRouter<S>,
    document: F,
}

impl<S, F: FnOnce() -> UtoipaMethodRouter<S>> Operations<S, F> {
    #[doc(hidden)]
    pub fn new(path: String, handlers: MethodRouter<S>, document: F) -> Self {
        Self { path, handlers, document }
    }
}

/// Routes with the state `S` still to come, and their documentation `D`.
pub struct Routes<D, S = ()> {
    router: axum::Router<S>,
    document: D,
}

impl<D: Documentation, S: Clone + Send + Sync + 'static> Routes<D, S> {
    pub fn new() -> Self {
        Self { router: axum::Router::new(), document: D::default() }
    }

    /// Adds the handlers of one path.
    #[must_use]
    pub fn routes<F: FnOnce() -> UtoipaMethodRouter<S>>(mut self, operations: Operations<S, F>) -> Self {
        let Operations { path, handlers, document } = operations;
        self.document.add(document);
        Self { router: self.router.route(&path, handlers), ..self }
    }

    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.document.merge(other.document);
        Self { router: self.router.merge(other.router), ..self }
    }

    #[must_use]
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        Self { router: self.router.layer(layer), ..self }
    }

    #[must_use]
    pub fn with_state(self, state: S) -> Routes<D> {
        Routes { router: self.router.with_state(state), document: self.document }
    }
}

impl<D: Documentation, S: Clone + Send + Sync + 'static> Default for Routes<D, S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D> Routes<D> {
    /// The routes without their documentation.
    pub fn into_router(self) -> axum::Router {
        self.router
    }
}

impl Routes<OpenApi> {
    pub fn openapi(&self) -> &OpenApi {
        &self.document
    }

    pub fn split_for_parts(self) -> (axum::Router, OpenApi) {
        (self.router, self.document)
    }
}

/// The handlers of one path: `routes!(catalog::list)`, `routes!(admin::replace, admin::delete)`.
///
/// As `utoipa_axum::routes!`, of which it uses how that finds what `#[utoipa::path]` made of a handler; but nothing is
/// documented until it is asked for.
#[macro_export]
macro_rules! routes {
    ($first:path $(, $more:path)* $(,)?) => {
        $crate::utoipa_axum::paste! {{
            use $crate::utoipa_axum::PathItemExt as _;
            let handlers = $crate::axum::routing::MethodRouter::new();
            let methods = $crate::utoipa_axum::routes!(@path [methods()] of $first);
            let handlers = methods.iter().fold(handlers, |all, method| all.on(method.to_method_filter(), $first));
            $(
                let methods = $crate::utoipa_axum::routes!(@path [methods()] of $more);
                let handlers = methods.iter().fold(handlers, |all, method| all.on(method.to_method_filter(), $more));
            )*
            let path = $crate::utoipa_axum::routes!(@path [path()] of $first);
            $crate::Operations::new(path, handlers, || $crate::utoipa_axum::routes!($first $(, $more)*))
        }}
    };
}
