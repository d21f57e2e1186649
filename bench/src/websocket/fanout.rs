//! From a write to the event at each socket of its person.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use focusflow_proto::v1::change::Action;
use focusflow_proto::v1::{
    AuthResponse, Category, Change, CreateCategoryRequest, DeleteCategoryRequest, RegisterRequest, WatchRequest,
    WatchResponse,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::Options;
use super::client::Socket;
use super::site::Site;
use crate::statistics::percentile;

/// People who are registered at a time: passwords are expensive.
const CONCURRENCY: usize = 4;

/// How long things took from before a write, in milliseconds.
#[derive(Default)]
struct Times {
    /// To its answer.
    answers_ms: Vec<f64>,
    /// To the event at each socket.
    events_ms: Vec<f64>,
}

/// A person who writes on one socket and watches on others.
struct Person {
    writer: Socket,
    /// What each of the person's sockets saw, and when.
    seen: mpsc::UnboundedReceiver<(Change, Instant)>,
    category: Option<String>,
}

pub(super) async fn measure(folder: &Path, certificates: &Path, options: &Options) -> anyhow::Result<()> {
    let site = Site::start(folder, certificates).await?;
    let (site_ref, sockets_each) = (&site, options.sockets_each.get());
    let arriving = (0..options.people.get()).map(|number| Person::arrive(site_ref, number, sockets_each));
    let mut people: Vec<Person> = stream::iter(arriving).buffer_unordered(CONCURRENCY).try_collect().await?;

    let mut times = Times::default();
    for change in 0..options.changes.get() {
        let turn = change % people.len();
        people[turn].change(sockets_each, &mut times).await?;
    }
    report(options, &mut times)
}

impl Person {
    async fn arrive(site: &Site, number: usize, sockets: usize) -> anyhow::Result<Self> {
        let first = u32::try_from(number * (sockets + 2))?;
        let gateway = site.gateways[number % 2].address();
        let mut anonymous = Socket::open(gateway, "", first).await?;
        let request = RegisterRequest {
            email: format!("person{number}@example.org"),
            password: "correct horse battery".to_owned(),
            first_name: "Ada".to_owned(),
            ..RegisterRequest::default()
        };
        let session: AuthResponse = anonymous.unary("focusflow.v1.AuthService/Register", &request).await?;
        let writer = Socket::open(gateway, &session.access_token, first + 1).await?;
        let (sender, seen) = mpsc::unbounded_channel();
        for (watcher, gateway) in (2..).zip(site.gateways.iter().cycle().take(sockets)) {
            let mut socket = Socket::open(gateway.address(), &session.access_token, first + watcher).await?;
            socket.begin("focusflow.v1.ChangeService/Watch", &WatchRequest { since: 0 }).await?;
            tokio::spawn(watch(socket, sender.clone()));
        }
        Ok(Self { writer, seen, category: None })
    }

    /// Makes a change and waits until each socket has seen it.
    async fn change(&mut self, sockets: usize, times: &mut Times) -> anyhow::Result<()> {
        let begun = Instant::now();
        let (id, action) = if let Some(id) = self.category.take() {
            let request = DeleteCategoryRequest { id: id.clone(), ..DeleteCategoryRequest::default() };
            self.writer.begin("focusflow.v1.CategoryService/DeleteCategory", &request).await?;
            self.writer.message::<()>().await?;
            (id, Action::Deleted)
        } else {
            let category = Category { name: "Change".to_owned(), color: "#336699".to_owned(), ..Category::default() };
            let request = CreateCategoryRequest { category: Some(category), request_id: String::new() };
            let created: Category = self.writer.unary("focusflow.v1.CategoryService/CreateCategory", &request).await?;
            self.category = Some(created.id.clone());
            (created.id, Action::Created)
        };
        times.answers_ms.push(milliseconds(begun.elapsed()));
        let mut left = sockets;
        while left > 0 {
            let (change, at) = self.seen.recv().await.context("a socket was lost")?;
            // A new account has changes of its own.
            if change.resource_id == id && change.action() == action {
                times.events_ms.push(milliseconds(at.duration_since(begun)));
                left -= 1;
            }
        }
        Ok(())
    }
}

async fn watch(mut socket: Socket, seen: mpsc::UnboundedSender<(Change, Instant)>) {
    while let Ok(WatchResponse { change: Some(change) }) = socket.message().await {
        if seen.send((change, Instant::now())).is_err() {
            return;
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn report(options: &Options, times: &mut Times) -> anyhow::Result<()> {
    let sockets = options.people.get() * options.sockets_each.get();
    let mut output = std::io::stdout().lock();
    let (each, changes) = (options.sockets_each, options.changes);
    writeln!(output, "{sockets} sockets watch, {each} of each person, over two gateways; {changes} changes.\n")?;
    writeln!(output, "| from the write to | p50, ms | p99, ms | most, ms |")?;
    writeln!(output, "|---|---:|---:|---:|")?;
    for (to, times_ms) in
        [("its answer", &mut times.answers_ms), ("the event at each socket of its person", &mut times.events_ms)]
    {
        let (p50, p99) = (percentile(times_ms, 0.5), percentile(times_ms, 0.99));
        writeln!(output, "| {to} | {p50:.1} | {p99:.1} | {:.1} |", percentile(times_ms, 1.0))?;
    }
    Ok(writeln!(output)?)
}
