"""Emulated clouds: Push REST, APNs and FCM. Cores only; `callctl.io` puts them on sockets."""
