//! Replaces an older configuration of the same plugin by a new one. Envoy keeps the VM and gives it
//! another root context. The old root context serves the requests that came before, and then ends.
//! Its calls end with it, so the new one ends its sessions.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use super::plugin::Plugin;
use crate::gateway::worker::Worker;

thread_local! {
    /// The plugins of this VM with their names, the newest last.
    static PLUGINS: RefCell<Vec<(String, Weak<Plugin>)>> = const { RefCell::new(Vec::new()) };
}

/// Adds `plugin` with the name `name`. It ends the sessions of the plugins that it replaces. Runs
/// in the root context `root`, that of `plugin`.
pub(super) fn replace(name: &str, root: u32, plugin: &Rc<Plugin>) {
    let replaced = named(name);
    PLUGINS.with_borrow_mut(|plugins| {
        plugins.retain(|(_, plugin)| plugin.strong_count() > 0);
        plugins.push((name.to_owned(), Rc::downgrade(plugin)));
    });
    let ends = replaced.iter();
    let ends: Vec<_> = ends.flat_map(|old| old.hand_over(Worker::retire)).collect();
    if !ends.is_empty() {
        plugin.make_soon(ends, root);
    }
}

/// `plugin` ends. The newest plugin with its name ends the remaining sessions. Runs in the root
/// context `root`, that of `plugin`.
pub(super) fn close(root: u32, plugin: &Rc<Plugin>) {
    let is_it = |other: &Weak<Plugin>| other.as_ptr() == Rc::as_ptr(plugin);
    let name = PLUGINS.with_borrow(|plugins| {
        let mut plugins = plugins.iter();
        let own = plugins.find(|(_, other)| is_it(other));
        own.map(|(name, _)| name.clone())
    });
    PLUGINS.with_borrow_mut(|plugins| plugins.retain(|(_, other)| !is_it(other)));
    let newest = name.and_then(|name| named(&name).pop());
    let ends = plugin.hand_over(Worker::close);
    if let Some(newest) = newest
        && !ends.is_empty()
    {
        newest.make_soon(ends, root);
    }
}

/// The plugins with this name, the newest last.
fn named(name: &str) -> Vec<Rc<Plugin>> {
    PLUGINS.with_borrow(|plugins| {
        let plugins = plugins.iter().filter(|(other, _)| other == name);
        plugins.filter_map(|(_, plugin)| plugin.upgrade()).collect()
    })
}
