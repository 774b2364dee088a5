//! A filter that does nothing, as WebAssembly of the same ABI. It shows what V8 itself needs.

/// The module has two functions: one that does nothing, and one that gives the address 1024 for
/// whatever Envoy wants to pass.
pub(super) fn module() -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // The types: from nothing to nothing, and from i32 to i32.
    section(&mut module, 1, b"\x02\x60\0\0\x60\x01\x7f\x01\x7f");
    // The functions: one of each type.
    section(&mut module, 3, b"\x02\0\x01");
    // The memory: at least one page of 64 KiB.
    section(&mut module, 5, b"\x01\0\x01");
    const FUNCTION: u8 = 0;
    const MEMORY: u8 = 2;
    let mut exports = vec![4];
    export(&mut exports, "memory", MEMORY, 0);
    export(&mut exports, "proxy_abi_version_0_2_1", FUNCTION, 0);
    export(&mut exports, "_initialize", FUNCTION, 0);
    export(&mut exports, "proxy_on_memory_allocate", FUNCTION, 1);
    section(&mut module, 7, &exports);
    // The code: `end`; and `i32.const 1024`, `end`.
    section(&mut module, 10, b"\x02\x02\0\x0b\x05\0\x41\x80\x08\x0b");
    module
}

/// All parts here are shorter than 128 bytes, so that each length is one byte.
fn section(module: &mut Vec<u8>, id: u8, content: &[u8]) {
    module.extend([id, content.len() as u8]);
    module.extend(content);
}

fn export(exports: &mut Vec<u8>, name: &str, kind: u8, index: u8) {
    exports.push(name.len() as u8);
    exports.extend(name.bytes());
    exports.extend([kind, index]);
}
