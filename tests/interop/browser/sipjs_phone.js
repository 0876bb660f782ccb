// A softphone of SIP.js: answers every call. The test drives it through window.phone.
import { Inviter, Registerer, RegistererState, SessionState, UserAgent } from "sip.js";
import { CONNECTION, CONSTRAINTS, media, tell } from "./common.js";

const MEDIA = { sessionDescriptionHandlerOptions: { constraints: CONSTRAINTS } };
let agent;
let registerer;
let session;

function follow(followed) {
  session = followed;
  session.delegate = { onBye: () => tell("ended", "remote BYE") };
  session.stateChange.addListener((state) => {
    if (state === SessionState.Established) tell("confirmed");
    if (state === SessionState.Terminated) tell("terminated");
  });
}

// A re-INVITE whose offer puts the other side on hold, or takes it back.
const reinvite = (hold) =>
  new Promise((done, failed) =>
    session.invite({
      sessionDescriptionHandlerOptions: { constraints: CONSTRAINTS, hold },
      requestDelegate: { onAccept: () => done(), onReject: (response) => failed(response.message) },
    })
  );

window.phone = {
  async start({ server, domain, user, password, instance, pushParams, keepAlive }) {
    const contactParams = { transport: "ws" };
    for (const param of pushParams ? pushParams.split(";") : []) {
      const [name, value] = param.split("=");
      contactParams[name] = value;
    }
    agent = new UserAgent({
      uri: UserAgent.makeURI(`sip:${user}@${domain}`),
      authorizationUsername: user,
      authorizationPassword: password,
      contactParams,
      logLevel: "error",
      transportOptions: { server, keepAliveInterval: keepAlive ?? 0 },
      sessionDescriptionHandlerFactoryOptions: { peerConnectionConfiguration: CONNECTION },
      ...(instance ? { instanceId: instance, instanceIdAlwaysAdded: true } : {}),
      delegate: {
        onDisconnect: () => tell("disconnected"),
        onInvite: (invitation) => {
          tell("incoming", invitation.remoteIdentity.uri.user);
          follow(invitation);
          invitation.accept(MEDIA);
        },
      },
    });
    try {
      await agent.start();
    } catch (error) {
      tell("refused", error.message);
      return;
    }
    registerer = new Registerer(agent, { expires: 120, ...(instance ? { regId: 1 } : {}) });
    registerer.stateChange.addListener((state) => {
      if (state === RegistererState.Registered) tell("registered");
      if (state === RegistererState.Unregistered) tell("unregistered");
    });
    await registerer.register();
  },
  async call(target) {
    const inviter = new Inviter(agent, UserAgent.makeURI(target), MEDIA);
    follow(inviter);
    await inviter.invite({
      requestDelegate: {
        onProgress: () => tell("ringing"),
        onReject: (response) => tell("failed", response.message.statusCode),
      },
    });
  },
  async hangUp() {
    await session.bye();
    tell("ended", "local BYE");
  },
  hold: () => reinvite(true),
  resume: () => reinvite(false),
  media: () => media(session.sessionDescriptionHandler.peerConnection),
  async unregister() {
    await registerer.unregister();
  },
};
