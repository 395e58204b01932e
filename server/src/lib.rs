//! A model as an HTTP service: what the server answers, without the listening. `README.md` tells the paths.

mod api;
mod app;
mod batcher;
mod failure;
mod listen;
mod metrics;
mod options;
mod protocol;
mod queue;
mod request;

use std::error::Error;

use axum::Router;
use sparsecbm::Model;

use self::app::App;
pub use self::listen::{Limits, serve};
pub use self::options::Options;

/// A model that answers requests.
pub struct Service {
    /// What answers them.
    pub router: Router,
    /// What the model really runs on.
    pub device: String,
}

/// Loads the model that `options` name. The service needs a tokio runtime around it.
///
/// # Errors
/// Where options contradict each other, or the model does not load.
pub fn load(options: Options) -> Result<Service, Box<dyn Error>> {
    options.check()?;
    let model = Model::load(&options.model, &options.loading())?;
    let device = model.device().to_string();
    Ok(Service { router: api::router(App::new(model, options)?), device })
}
