//! Where the socket is: for the daemon, which makes it, and for the commands, which look for it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sermux_port_config::config::{Control, ControlSocket};

const NAME: &str = "control.sock";

/// Where the daemon makes its socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SocketPlace {
    pub(super) socket: PathBuf,
    /// A folder of its own that may have to be made first.
    pub(super) folder: Option<PathBuf>,
}

impl SocketPlace {
    /// As the configuration says, else as the circumstances do: systemd made a folder for a service (RuntimeDirectory=), a
    /// user has one of her own. `None`: there is neither.
    pub(super) fn of_daemon(control: &Control) -> Option<SocketPlace> {
        let from = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Self::of_daemon_in(control, from("RUNTIME_DIRECTORY"), from("XDG_RUNTIME_DIR"))
    }

    fn of_daemon_in(control: &Control, service: Option<OsString>, user: Option<OsString>) -> Option<SocketPlace> {
        if let ControlSocket::Path(socket) = &control.socket {
            return Some(SocketPlace { socket: socket.clone(), folder: None });
        }
        if let Some(folders) = service {
            // More than one are separated by colons (systemd.exec(5)).
            let folder = env::split_paths(&folders).next()?;
            return Some(SocketPlace { socket: folder.join(NAME), folder: None });
        }
        let folder = PathBuf::from(user?).join("sermux");
        Some(SocketPlace { socket: folder.join(NAME), folder: Some(folder) })
    }
}

/// Where a command looks for the daemon's socket when nobody says where it is: the user's own daemon first.
pub(crate) fn usual() -> Vec<PathBuf> {
    let user = env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty());
    let user = user.map(|folder| Path::new(&folder).join("sermux").join(NAME));
    user.into_iter().chain([PathBuf::from(ControlSocket::OF_SERVICE)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(socket: ControlSocket, service: Option<&str>, user: Option<&str>) -> Option<SocketPlace> {
        let control = Control { socket, ..Control::default() };
        SocketPlace::of_daemon_in(&control, service.map(Into::into), user.map(Into::into))
    }

    #[test]
    fn the_configuration_comes_before_the_service_and_the_service_before_the_user() {
        let path = |path: Option<SocketPlace>| path.map(|place| place.socket.display().to_string());
        let (service, user) = (Some("/run/sermux:/run/other"), Some("/run/user/1000"));
        let configured = place(ControlSocket::Path("/tmp/c".into()), service, user);
        assert_eq!(path(configured).as_deref(), Some("/tmp/c"));
        assert_eq!(path(place(ControlSocket::Usual, service, user)).as_deref(), Some("/run/sermux/control.sock"));
        let own = place(ControlSocket::Usual, None, user);
        assert_eq!(own.as_ref().and_then(|own| own.folder.clone()), Some("/run/user/1000/sermux".into()));
        assert_eq!(path(own).as_deref(), Some("/run/user/1000/sermux/control.sock"));
        assert_eq!(place(ControlSocket::Usual, None, None), None);
    }
}
