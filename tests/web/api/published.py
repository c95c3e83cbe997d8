"""Code that people have published for the vendors' hosts, to the letter but for its comments."""

FAL = """
import os
import requests
import time
from pathlib import Path
import fal_client

fal_client.api_key = os.environ.get("FAL_KEY", "your_fal_key_here")


def generate_image_fal(prompt, num_steps=4):
    try:
        print(f"Generating with Fal.ai SDXL Lightning...")

        def on_queue_update(update):
            if isinstance(update, fal_client.InProgress):
                for log in update.logs:
                    print(f"Progress: {log['message']}")

        result = fal_client.subscribe(
            "fal-ai/fast-lightning-sdxl",
            arguments={
                "prompt": prompt,
                "negative_prompt": "blurry, low quality",
                "image_size": "square_hd",
                "num_inference_steps": num_steps,
                "enable_safety_checker": True
            },
            with_logs=True,
            on_queue_update=on_queue_update
        )
        image_url = result["images"][0]["url"]
        img_response = requests.get(image_url)
        img_response.raise_for_status()
        output_path = Path(f"sdxl_lightning_fal_{int(time.time())}.png")
        with open(output_path, "wb") as f:
            f.write(img_response.content)
        print(f"Image saved to: {output_path}")
        print(f"Inference time: {result.get('timings', {}).get('inference', 'N/A')}ms")
        return output_path
    except Exception as e:
        print(f"Fal.ai error: {e}")
        raise
"""

REPLICATE = """
import requests
import os
import time
import replicate
from pathlib import Path


def generate_image_replicate(prompt, num_steps=4, aspect_ratio="1:1"):
    try:
        print(f"Generating with SDXL Lightning ({num_steps} steps)...")
        print(f"Prompt: {prompt}")
        start_time = time.time()
        output = replicate.run(
            "bytedance/sdxl-lightning-4step:"
            "5599ed30703defd1d160a25a63321b4dec97101d98b4674bcc56e41f62f35637",
            input={
                "prompt": prompt,
                "negative_prompt": "blurry, low quality, distorted, text, watermark",
                "width": 1024,
                "height": 1024,
                "num_inference_steps": num_steps,
                "guidance_scale": 0,
                "scheduler": "K_EULER",
                "output_format": "png",
                "output_quality": 100
            }
        )
        generation_time = time.time() - start_time
        print(f"API response time: {generation_time:.2f}s")
        image_url = output[0] if isinstance(output, list) else output
        img_response = requests.get(image_url)
        img_response.raise_for_status()
        output_path = Path(f"sdxl_lightning_{int(time.time())}.png")
        with open(output_path, "wb") as f:
            f.write(img_response.content)
        print(f"Image downloaded to: {output_path}")
        return output_path
    except replicate.exceptions.ReplicateError as e:
        print(f"Replicate API error: {e}")
        raise
    except Exception as e:
        print(f"Unexpected error: {e}")
        raise


def batch_generate_products(product_descriptions, steps=4):
    print(f"\\nBatch generating {len(product_descriptions)} product images...")
    results = []
    total_start = time.time()
    for idx, description in enumerate(product_descriptions, 1):
        prompt = (f"{description}, professional product photography, white background, "
                  "studio lighting, e-commerce")
        print(f"\\nGenerating {idx}/{len(product_descriptions)}...")
        try:
            image_path = generate_image_replicate(prompt, num_steps=steps)
            results.append({"description": description, "path": image_path, "success": True})
        except Exception as e:
            print(f"Failed: {e}")
            results.append({"description": description, "error": str(e), "success": False})
    total_time = time.time() - total_start
    successful = sum(1 for r in results if r["success"])
    print(f"\\nBatch complete: {successful}/{len(product_descriptions)} successful")
    print(f"Total time: {total_time:.2f}s ({total_time/len(product_descriptions):.2f}s per image)")
    return results
"""

CONFIGURATION = """
config = {
    "model": "bytedance/sdxl-lightning-4step",
    "steps": 4,
    "guidance_scale": 0,  # Optimal setting for Lightning model
    "scheduler": "K_EULER",
    "resolution": "1024x1024"
}
"""
