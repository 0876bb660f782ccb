// A softphone of JsSIP: answers every call. The test drives it through window.phone.
import JsSIP from "jssip";
import { CONNECTION, CONSTRAINTS, media, tell } from "./common.js";

const MEDIA = { mediaConstraints: CONSTRAINTS, pcConfig: CONNECTION };
let agent;
let session;

function follow(event) {
  session = event.session;
  session.on("progress", () => tell("ringing"));
  session.on("confirmed", () => tell("confirmed"));
  session.on("ended", (end) => tell("ended", `${end.originator} ${end.cause}`));
  session.on("failed", (end) => tell("failed", end.message?.status_code ?? end.cause));
  if (event.originator === "remote") {
    tell("incoming", session.remote_identity.uri.user);
    session.answer(MEDIA);
  }
}

window.phone = {
  start({ server, domain, user, password, instance, pushParams }) {
    const settings = {
      sockets: [new JsSIP.WebSocketInterface(server)],
      uri: `sip:${user}@${domain}`,
      password,
      register_expires: 120,
      instance_id: instance,
    };
    if (pushParams) {
      // RFC 8599 parameters belong into the URI, and only a Contact that is given whole has them.
      settings.contact_uri = `sip:${user}@browser.invalid;transport=ws;${pushParams}`;
    }
    agent = new JsSIP.UA(settings);
    agent.on("registered", () => tell("registered"));
    agent.on("unregistered", () => tell("unregistered"));
    agent.on("registrationFailed", (end) => tell("refused", end.cause));
    agent.on("disconnected", () => tell("disconnected"));
    agent.on("newRTCSession", follow);
    agent.start();
  },
  call: (target) => void agent.call(target, MEDIA),
  hangUp: () => session.terminate(),
  hold: () => new Promise((done) => session.hold({}, done)),
  resume: () => new Promise((done) => session.unhold({}, done)),
  media: () => media(session.connection),
  unregister: () => agent.unregister(),
};
