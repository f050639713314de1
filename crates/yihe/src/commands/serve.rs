//! `yihe serve`

use std::{
    net::SocketAddr,
    sync::{Arc, RwLock},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use yihe_docket::EscalationPolicy;
use yihe_exchange::Exchange;
use yihe_web::{
    AppState, Settings,
    desk::Desk,
    session::Transport,
    throttle::{Patience, Throttle},
};

use crate::{
    app::App,
    cli::Serve,
    commands::{catalogue, share, ticket},
    cosign,
    output::{Exit, Output},
    sequence,
    watch::Watch,
};

/// How often clocks are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Longest that work in the background is waited for at the end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The command.
pub async fn run(app: App, serve: Serve, output: &Output) -> Result<Exit> {
    let listen = serve.listen.clone().unwrap_or_else(|| app.config.listen.clone());
    let server = Server::start(&app, &listen).await?;
    output.line(&format!("{} {}", output.say("服务已开：", "serving at"), server.address));
    output.object(&serde_json::json!({ "address": server.address }));
    interrupted().await;
    output.line(output.say("正在结束……", "ending…"));
    server.stop().await?;
    Ok(Exit::Done)
}

/// Waits for Ctrl-C or a termination signal.
pub async fn interrupted() {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = async { match &mut terminate { Some(signal) => { signal.recv().await; } None => std::future::pending().await } } => {}
    }
}

/// A running server with its sequencer and its sweeps.
pub struct Server {
    /// Where it is reached.
    pub address: String,
    stop: watch::Sender<bool>,
    doors: tokio::task::JoinHandle<std::io::Result<()>>,
    sequencer: tokio::task::JoinHandle<Result<()>>,
    others: Vec<tokio::task::JoinHandle<()>>,
}

impl Server {
    /// Starts serving.
    pub async fn start(app: &App, listen: &str) -> Result<Self> {
        let pack = app.pack().await?;
        let docket = app.docket(&pack)?;
        // The keys are made before the first page shows the log.
        sequence::keys(&app.config)?;
        sequence::settle(app).await?;
        let listener = TcpListener::bind(listen).await.with_context(|| {
            format!("failed to listen on {listen}; choose another address with --listen (该地址已被占用，可用 --listen 另选)")
        })?;
        let local: SocketAddr = listener.local_addr()?;
        let address = app.config.address.clone().unwrap_or_else(|| format!("http://{local}"));
        let transport = if address.starts_with("https://") { Transport::Tls } else { Transport::Plain };
        let state = AppState {
            store: app.store.clone(),
            lake: app.lake.clone(),
            catalogue: catalogue::room(app, &pack)?,
            exchange: share::room(app, &pack)?,
            tickets: ticket::room(app, &pack)?,
            docket: docket.clone(),
            log: sequence::view(&app.config)?,
            desk: Desk::new(app.builder()),
            clock: Arc::clone(&app.clock),
            pack: RwLock::new(Arc::new(pack.clone())),
            throttle: Throttle::new(Patience::default()),
            settings: Settings {
                city: app.config.city.clone(),
                address: address.clone(),
                transport,
                policy: sequence::view(&app.config)?
                    .map(|view| sequence::policy_text(&app.config, &view))
                    .transpose()?,
            },
        };
        let (stop, stopped) = watch::channel(false);
        let mut waiting = stopped.clone();
        let doors = tokio::spawn(yihe_web::serve_on(listener, Arc::new(state), async move {
            let _ = waiting.changed().await;
        }));
        let (answers, answered) = mpsc::channel(cosign::CARRIED_MAX);
        let sequencer = tokio::spawn(sequence::run(
            app.store.clone(),
            app.config.clone(),
            Arc::clone(&app.clock),
            answered,
            stopped.clone(),
        ));
        let mut others = Vec::new();
        let exchange = share::room(app, &pack)?;
        let clock = Arc::clone(&app.clock);
        let machine = app.machine();
        others.push(tokio::spawn(sweep(app.store.clone(), docket.clone(), exchange, machine, clock, stopped.clone())));
        others.push(tokio::spawn(Watch::new(app, docket).run(stopped.clone())));
        if let (Some(policy), Some(view)) = (sequence::policy(&app.config)?, sequence::view(&app.config)?) {
            others.push(tokio::spawn(async move {
                if let Err(error) = cosign::run(view, policy, answers, stopped).await {
                    tracing::error!(error = %sequence::chain(error.as_ref()), "witnesses are no longer asked");
                }
            }));
        }
        Ok(Self { address, stop, doors, sequencer, others })
    }

    /// Lets running answers end, enters what waits, and stops.
    pub async fn stop(self) -> Result<()> {
        let _ = self.stop.send(true);
        self.doors.await?.context("the listener failed")?;
        self.sequencer.await??;
        for other in self.others {
            // A verification under way is given up: its run is abandoned and the next start makes up for it.
            if tokio::time::timeout(ENDS_WITHIN, other).await.is_err() {
                tracing::warn!("work in the background was given up");
            }
        }
        Ok(())
    }
}

/// Looks at the clocks now and then: what runs out escalates by itself, vanished runs are given up.
async fn sweep(
    store: yihe_store::Store,
    docket: yihe_docket::Docket,
    exchange: Exchange,
    machine: yihe_store::Actor,
    clock: Arc<dyn yihe_vocabulary::Clock>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let now = clock.now();
        if let Err(error) = docket.sweep(&store, EscalationPolicy::default(), now).await {
            tracing::error!(error = %sequence::chain(&error), "the clocks were not looked at");
        }
        if let Err(error) = exchange.sweep(now).await {
            tracing::error!(error = %sequence::chain(&error), "ended grants were not closed");
        }
        match exchange.release_sweep(&machine, now).await {
            Ok(begun) if !begun.is_empty() => tracing::info!(requests = begun.len(), "supplies began on proof"),
            Ok(_) => {}
            Err(error) => tracing::error!(error = %sequence::chain(&error), "supplies that are proven did not begin"),
        }
        // An interval of supplied calls ends: each interface's become one leaf of the ledger.
        if let Err(error) = store.calls_close(&machine.act(sequence::CALLS_KIND, now)).await {
            tracing::error!(error = %sequence::chain(&error), "supplied calls were not entered");
        }
        let system = yihe_store::Actor::system();
        let swept = async {
            let mut tx = store.begin().await?;
            tx.run_sweep(&system.act("run.abandoned", now)).await?;
            tx.commit().await
        };
        if let Err(error) = swept.await {
            tracing::error!(error = %sequence::chain(&error), "vanished runs were not given up");
        }
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}
