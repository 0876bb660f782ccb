"""Who is where: SIP bindings, push bindings, the registrar and the authentication of clients."""
