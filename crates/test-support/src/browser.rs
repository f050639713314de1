//! A real browser for the tests: Chromium driven through WebDriver (W3C) by its own `chromedriver`.
//!
//! Each [`Browser`] has a driver process, a port and a profile of its own, and takes them with it when it is
//! dropped. Waiting is for a condition with a deadline, never for a duration.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long the driver may take to start.
const START_SECONDS_MAX: u64 = 30;
/// How long a condition is waited for.
const WAIT_SECONDS_MAX: u64 = 15;
/// How long one command may take: a slow page on a busy machine.
const COMMAND_SECONDS_MAX: u64 = 90;
/// The key under which WebDriver answers elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Colour scheme that the page is told the reader prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Scheme {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Light, Self::Dark];

    /// The CSS word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A running browser with one window.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    session: String,
    // Fields drop in this order: first the driver ends (and its browser with it), then the profile goes.
    driver: Driver,
    _profile: TempDir,
}

/// Something on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element(String);

#[derive(Debug)]
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // Chromium ends with its driver's connection; the driver itself is a child and must be reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Browser {
    /// Starts a headless browser with a window of `width` × `height` CSS pixels that asks for `language` (`zh-CN`, `en`).
    ///
    /// # Panics
    /// Chromium or its driver is not installed (the message names the command that installs them), or does not start.
    pub async fn start(width: u32, height: u32, language: &str) -> Self {
        let (driver, port) =
            tokio::task::spawn_blocking(start_driver).await.expect("starting the driver does not panic otherwise");
        let profile = TempDir::new().expect("a temporary folder can be made");
        // A browser behind a proxy would ask the proxy for 127.0.0.1.
        let client = Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(COMMAND_SECONDS_MAX))
            .build()
            .expect("the client needs nothing from outside");
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--no-first-run".to_owned(),
            "--no-proxy-server".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--window-size={width},{height}"),
            format!("--lang={language}"),
            format!("--accept-lang={language}"),
        ];
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "prefs": { "intl.accept_languages": language } },
        } } });
        let address = format!("http://127.0.0.1:{port}/session");
        let answer = send(&client, Method::POST, &address, &capabilities).await;
        let id = answer["sessionId"].as_str().expect("a new session has an identifier").to_owned();
        Self { client, session: format!("{address}/{id}"), driver, _profile: profile }
    }

    /// Opens an address and waits until it has loaded.
    pub async fn open(&self, address: &str) {
        self.post("url", json!({ "url": address })).await;
    }

    /// The title of the page.
    pub async fn title(&self) -> String {
        text_of(&self.get("title").await)
    }

    /// The address of the page.
    pub async fn address(&self) -> String {
        text_of(&self.get("url").await)
    }

    /// The markup of the page as the browser has it.
    pub async fn source(&self) -> String {
        text_of(&self.get("source").await)
    }

    /// The first element that a CSS selector names; waited for.
    ///
    /// # Panics
    /// None came in time; the message holds the address and title of the page.
    pub async fn find(&self, selector: &str) -> Element {
        let found = self.wait(async || self.find_all(selector).await.into_iter().next()).await;
        match found {
            Some(element) => element,
            None => panic!("no element `{selector}` on `{}` ({})", self.address().await, self.title().await),
        }
    }

    /// Every element that a CSS selector names, now.
    pub async fn find_all(&self, selector: &str) -> Vec<Element> {
        let found = self.post("elements", json!({ "using": "css selector", "value": selector })).await;
        found
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|element| element[ELEMENT].as_str())
            .map(|id| Element(id.to_owned()))
            .collect()
    }

    /// The link with this visible text; waited for.
    ///
    /// # Panics
    /// None came in time.
    pub async fn link(&self, text: &str) -> Element {
        let found = self
            .wait(async || {
                let found = self.post("elements", json!({ "using": "partial link text", "value": text })).await;
                found[0][ELEMENT].as_str().map(|id| Element(id.to_owned()))
            })
            .await;
        match found {
            Some(element) => element,
            None => panic!("no link `{text}` on `{}`", self.address().await),
        }
    }

    /// Clicks.
    pub async fn click(&self, element: &Element) {
        self.post(&format!("element/{}/click", element.0), json!({})).await;
    }

    /// Types into a field, after what is there.
    pub async fn type_in(&self, element: &Element, text: &str) {
        self.post(&format!("element/{}/value", element.0), json!({ "text": text })).await;
    }

    /// Visible text.
    pub async fn text(&self, element: &Element) -> String {
        text_of(&self.get(&format!("element/{}/text", element.0)).await)
    }

    /// Runs a script in the page and returns what it returns. Scripts of WebDriver are not under the page's
    /// content security policy.
    pub async fn run(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": arguments })).await
    }

    /// Runs a script that calls its last argument with the result.
    pub async fn run_async(&self, script: &str, arguments: &[Value]) -> Value {
        self.post("execute/async", json!({ "script": script, "args": arguments })).await
    }

    /// Tells the page which colour scheme the reader prefers.
    pub async fn prefer(&self, scheme: Scheme) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme.as_str() }] });
        self.post("goog/cdp/execute", json!({ "cmd": "Emulation.setEmulatedMedia", "params": features })).await;
    }

    /// Makes the window `width` × `height` CSS pixels, below the least width of a window too.
    pub async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.post("goog/cdp/execute", json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": metrics })).await;
    }

    /// Forgets every cookie.
    pub async fn forget_cookies(&self) {
        send(&self.client, Method::DELETE, &format!("{}/cookie", self.session), &Value::Null).await;
    }

    /// Writes a picture of the whole page as PNG.
    ///
    /// # Panics
    /// The file cannot be written.
    pub async fn picture(&self, file: &Path) {
        let shot = self
            .post(
                "goog/cdp/execute",
                json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true } }),
            )
            .await;
        let bytes = BASE64.decode(shot["data"].as_str().expect("a picture")).expect("pictures come in base64");
        std::fs::write(file, bytes).expect("the picture can be written");
    }

    /// What axe-core finds on the page: one line per violation with its rule, impact and the elements.
    /// `axe` is the text of `axe.min.js`.
    pub async fn axe(&self, axe: &str) -> Vec<String> {
        self.run(axe, &[]).await;
        let found = self
            .run_async(
                "const done = arguments[arguments.length - 1]; \
                 axe.run(document).then(r => done(r.violations.map(v => `${v.id} (${v.impact}): ${v.help} at ` + \
                 v.nodes.map(n => n.target.join(' ') + ' ' + (n.any[0]?.message ?? '')).join(' | '))), e => done([String(e)]));",
                &[],
            )
            .await;
        found.as_array().into_iter().flatten().map(text_of).collect()
    }

    /// Waits until `condition` answers something, or the deadline is over.
    async fn wait<T>(&self, condition: impl AsyncFn() -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + Duration::from_secs(WAIT_SECONDS_MAX);
        loop {
            if let Some(found) = condition().await {
                return Some(found);
            }
            if Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn get(&self, path: &str) -> Value {
        send(&self.client, Method::GET, &format!("{}/{path}", self.session), &Value::Null).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        send(&self.client, Method::POST, &format!("{}/{path}", self.session), &body).await
    }

    /// Ends the browser in order; dropping it ends it too, less politely.
    pub async fn quit(mut self) {
        let _ = self.client.delete(&self.session).send().await;
        let _ = self.driver.0.kill();
    }
}

async fn send(client: &Client, method: Method, address: &str, body: &Value) -> Value {
    let mut request = client.request(method.clone(), address);
    if method == Method::POST {
        request = request.json(body);
    }
    let answer = request.send().await.unwrap_or_else(|error| panic!("the driver does not answer {address}: {error}"));
    let status = answer.status();
    let mut answer: Value =
        answer.json().await.unwrap_or_else(|error| panic!("the driver answers {address} without JSON: {error}"));
    let value = answer["value"].take();
    assert!(status.is_success(), "the driver refuses {address}: {}: {}", value["error"], value["message"]);
    value
}

fn start_driver() -> (Driver, u16) {
    let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => panic!(
            "chromedriver does not start ({error}): run `apt-get install -y chromium chromium-driver fonts-noto-cjk`"
        ),
    };
    let output = child.stdout.take().expect("the output was asked for");
    let driver = Driver(child);
    let deadline = Instant::now() + Duration::from_secs(START_SECONDS_MAX);
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        // "ChromeDriver was started successfully on port 41235."
        if let Some((_, port)) = line.rsplit_once("on port ")
            && let Ok(port) = port.trim_end_matches('.').parse()
            && line.contains("successfully")
        {
            return (driver, port);
        }
        assert!(Instant::now() < deadline, "chromedriver named no port within {START_SECONDS_MAX} s");
    }
    panic!("chromedriver ended before it named its port");
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
