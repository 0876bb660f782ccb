// What both phones tell the test, and what they know of their media.

export const tell = (what, detail = "") => window.told(what, String(detail));

// Host candidates on loopback are all there is: nobody is to be asked for more.
export const CONNECTION = { iceServers: [] };
export const CONSTRAINTS = { audio: true, video: false };

export async function media(connection) {
  const counted = { packetsReceived: 0, bytesReceived: 0, packetsSent: 0, bytesSent: 0 };
  (await connection.getStats()).forEach((report) => {
    if (report.type === "inbound-rtp" || report.type === "outbound-rtp") {
      for (const name of Object.keys(counted)) counted[name] += report[name] ?? 0;
    }
  });
  const [audio] = connection.getTransceivers();
  return { ...counted, direction: audio.currentDirection };
}
