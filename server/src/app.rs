use std::sync::Arc;

use sparsecbm::{Model, Prediction, Tokens};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::batcher::Batcher;
use crate::failure::Failure;
use crate::metrics::Metrics;
use crate::options::Options;

/// What all requests share.
pub struct App {
    pub model: Model,
    pub options: Options,
    pub metrics: Arc<Metrics>,
    pub batcher: Batcher,
    /// One permit an explanation at a time.
    pub explanations: Arc<Semaphore>,
}

impl App {
    pub fn new(model: Model, options: Options) -> std::io::Result<Arc<App>> {
        let metrics = Arc::new(Metrics::new());
        let batcher = Batcher::start(&model, &options, &metrics)?;
        let explanations = Arc::new(Semaphore::new(options.explanations.get()));
        Ok(Arc::new(App { model, options, metrics, batcher, explanations }))
    }

    /// Predicts `count` texts, which `read` turns into tokens: together with those of other requests, as
    /// they come.
    pub async fn predict(
        &self,
        count: usize,
        read: impl FnOnce(&Model) -> sparsecbm::Result<Vec<Tokens>> + Send + 'static,
    ) -> Result<Vec<Prediction>, Failure> {
        // Before anything is done for the request, so that refusing it costs nothing.
        let room = self.batcher.reserve(count)?;
        let model = self.model.clone();
        let tokens = spawn_blocking(move || read(&model)).await.map_err(|_| Failure::gone())??;
        self.batcher.predict(room, tokens).await
    }
}
