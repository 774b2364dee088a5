//! A VM: one worker's instance of the filter. The host runs the callbacks in it.

use super::plugin::Refused;
use super::state::{HostState, Phase, Settings};
use super::{env, wasi};
use wasmi::{Engine, Error, Instance, Linker, Module, Store, Val};

pub(super) struct Vm {
    pub(super) store: Store<HostState>,
    instance: Instance,
    /// The plugin's root context.
    pub(super) root: u32,
    next_context: u32,
    started: bool,
    /// Why the VM ended. Like Envoy, the host does not call into it after that.
    pub(super) crash: Option<String>,
}

impl Vm {
    /// Loads the module and configures the plugin, as each worker does.
    pub(super) fn start(
        (engine, module): &(Engine, Module),
        settings: Settings,
        configuration: Vec<u8>,
    ) -> Result<Self, Refused> {
        let state = HostState::new(settings, configuration);
        let mut store = Store::new(engine, state);
        let instance = instantiate(engine, module, &mut store)
            .unwrap_or_else(|error| panic!("Envoy could not load this module: {error}"));
        let mut vm = Self {
            store,
            instance,
            // Context 0 is that of the VM itself.
            root: 1,
            next_context: 2,
            started: false,
            crash: None,
        };
        match vm.configure() {
            Ok(()) => {
                vm.started = true;
                Ok(vm)
            }
            Err(reason) => Err(Refused {
                reason,
                log: vm.store.data().log.clone(),
            }),
        }
    }

    fn configure(&mut self) -> Result<(), String> {
        let root = self.root;
        if self.has("_initialize") {
            self.call(0, None, "_initialize", &[]);
        } else {
            self.call(0, None, "_start", &[]);
        }
        self.alive()?;
        self.state_mut().contexts.insert(root);
        self.call(root, None, "proxy_on_context_create", &[root, 0]);
        self.alive()?;
        let size = self.state().settings.vm_configuration.len();
        let answer = self.call(root, None, "proxy_on_vm_start", &[root, number(size)]);
        self.alive()?;
        if answer == Some(0) {
            return Err("proxy_on_vm_start returned false".into());
        }
        let size = self.state().plugin_configuration.len();
        self.state_mut().configuring = true;
        let answer = self.call(root, None, "proxy_on_configure", &[root, number(size)]);
        self.state_mut().configuring = false;
        self.alive()?;
        if answer == Some(0) {
            return Err("proxy_on_configure returned false".into());
        }
        Ok(())
    }

    fn alive(&self) -> Result<(), String> {
        match &self.crash {
            Some(crash) => Err(crash.clone()),
            None => Ok(()),
        }
    }

    pub(super) fn state(&self) -> &HostState {
        self.store.data()
    }

    pub(super) fn state_mut(&mut self) -> &mut HostState {
        self.store.data_mut()
    }

    pub(super) fn allocate_context(&mut self) -> u32 {
        let context = self.next_context;
        self.next_context += 1;
        context
    }

    /// The size of the linear memory in bytes.
    pub(super) fn memory_size(&self) -> usize {
        self.instance
            .get_memory(&self.store, "memory")
            .map_or(0, |memory| memory.data_size(&self.store))
    }

    fn has(&self, export: &str) -> bool {
        self.instance.get_func(&self.store, export).is_some()
    }

    /// Runs a callback in a context, and then everything that Envoy defers until the callback has
    /// ended. `None` if the filter has no such callback or the VM has ended.
    pub(super) fn call(
        &mut self,
        context: u32,
        phase: Option<Phase>,
        export: &str,
        arguments: &[u32],
    ) -> Option<u32> {
        if self.crash.is_some() {
            return None;
        }
        let function = self.instance.get_func(&self.store, export)?;
        self.state_mut().cross(export);
        let arguments: Vec<Val> = arguments
            .iter()
            .map(|number| Val::I32(number.cast_signed()))
            .collect();
        let count = function.ty(&self.store).results().len();
        let mut results = vec![Val::I32(0); count];

        self.enter(context, phase);
        let end = function.call(&mut self.store, &arguments, &mut results);
        self.leave(context);
        if let Err(error) = end {
            self.end(export, &error);
            return None;
        }
        self.fail_on_violations(export);
        while let Some(deferred) = self.state_mut().deferred.pop_front() {
            self.run_deferred(deferred);
            self.fail_on_violations(export);
        }
        results.first().and_then(Val::i32).map(i32::cast_unsigned)
    }

    fn enter(&mut self, context: u32, phase: Option<Phase>) {
        let state = self.state_mut();
        state.current_context = context;
        state.effective_context = 0;
        if let Some(stream) = state.streams.get_mut(&context) {
            stream.phase = phase;
        }
    }

    fn leave(&mut self, context: u32) {
        let state = self.state_mut();
        state.current_context = 0;
        state.effective_context = 0;
        state.call_response = None;
        if let Some(stream) = state.streams.get_mut(&context) {
            stream.phase = None;
        }
    }

    fn end(&mut self, export: &str, error: &Error) {
        let crash = format!("the VM crashed in {export}: {error}");
        assert!(
            !self.started || self.state().settings.crash_expected,
            "{crash}\nlog:\n{}",
            self.state().log_text()
        );
        self.state_mut().deferred.clear();
        self.crash = Some(crash);
    }

    /// Fails the scenario if the filter broke a rule for which Envoy has no status.
    pub(super) fn fail_on_violations(&self, during: &str) {
        let violations = &self.state().violations;
        assert!(
            violations.is_empty(),
            "in {during}: {}\nlog:\n{}",
            violations.join("; "),
            self.state().log_text()
        );
    }
}

fn instantiate(
    engine: &Engine,
    module: &Module,
    store: &mut Store<HostState>,
) -> Result<Instance, Error> {
    if module.get_export("proxy_abi_version_0_2_1").is_none() {
        return Err(Error::new("it does not export proxy_abi_version_0_2_1"));
    }
    let mut linker = Linker::new(engine);
    env::link(&mut linker, module)?;
    wasi::link(&mut linker, module)?;
    // Fails if the module imports a function that the host does not have, and names it.
    linker.instantiate_and_start(store, module)
}

pub(super) fn number(size: usize) -> u32 {
    u32::try_from(size).expect("sizes of a wasm32 module")
}
