//! The current context of a task.
//!
//! A task-local, spelled out: response streams are polled by the connection and not by the handler's future, so the
//! context must also be enterable for the length of one poll.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::Poll;

use pin_project_lite::pin_project;

use super::Context;

thread_local! {
    static CURRENT: RefCell<Option<Context>> = const { RefCell::new(None) };
}

pin_project! {
    /// A future with a context that is current whenever it is polled.
    #[derive(Debug)]
    pub struct Scoped<F> {
        // Moved into the thread while the future is polled, and back.
        context: Option<Context>,
        #[pin]
        future: F,
    }
}

impl<F> Scoped<F> {
    pub(super) fn new(context: Context, future: F) -> Self {
        Self { context: Some(context), future }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let _entered = Entered::new(this.context);
        this.future.poll(cx)
    }
}

pub(super) fn current() -> Option<Context> {
    CURRENT.with_borrow(Clone::clone)
}

pub(super) fn enter<T>(context: &Context, work: impl FnOnce() -> T) -> T {
    let mut slot = Some(context.clone());
    let _entered = Entered::new(&mut slot);
    work()
}

/// Swaps a context with the thread's, and back when dropped, also when the poll panics.
pub(crate) struct Entered<'a> {
    slot: &'a mut Option<Context>,
}

impl<'a> Entered<'a> {
    pub(crate) fn new(slot: &'a mut Option<Context>) -> Self {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, slot));
        Self { slot }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| std::mem::swap(current, self.slot));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn contexts_of_interleaved_tasks_do_not_mix() {
        async fn id_after_yielding() -> String {
            tokio::task::yield_now().await;
            Context::current().unwrap().request_id.to_string()
        }
        let (first, second) = (Context::root(), Context::root());
        let (first_id, second_id) = (first.request_id.to_string(), second.request_id.to_string());
        let seen = futures_util::future::join(first.scope(id_after_yielding()), second.scope(id_after_yielding()));
        assert_eq!(seen.await, (first_id, second_id));
        assert!(Context::current().is_none());
    }

    #[test]
    fn an_inner_context_gives_way_to_the_outer_one() {
        let (outer, inner) = (Context::root(), Context::root());
        outer.enter(|| {
            inner.enter(|| assert_eq!(Context::current().unwrap().request_id, inner.request_id));
            assert_eq!(Context::current().unwrap().request_id, outer.request_id);
        });
    }
}
