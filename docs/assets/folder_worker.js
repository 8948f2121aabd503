// Browsers start no worker for a page that was opened from a folder, and search needs one. There this class takes its
// place: a hidden frame in which the worker's script runs.
if (location.protocol === "file:") {
  class FolderWorker extends EventTarget {
    constructor(url) {
      super();
      this.early = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<body></body>";
      frame.addEventListener("load", () => this.start(frame.contentWindow, url), { once: true });
      document.body.append(frame);
    }

    start(inside, url) {
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      inside.importScripts = async (...urls) => {
        for (const each of urls) await this.run(inside, each);
      };
      this.run(inside, url).then(() => {
        this.inside = inside;
        this.early.splice(0).forEach((data) => this.postMessage(data));
      });
    }

    run(inside, url) {
      return new Promise((resolve, reject) => {
        const script = inside.document.createElement("script");
        script.addEventListener("load", resolve);
        script.addEventListener("error", reject);
        script.src = url;
        inside.document.body.append(script);
      });
    }

    postMessage(data) {
      if (this.inside) this.inside.dispatchEvent(new MessageEvent("message", { data }));
      else this.early.push(data);
    }
  }
  window.Worker = window.IFrameWorker = FolderWorker;
}
